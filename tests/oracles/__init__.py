"""Slow and literal transcriptions of the paper's equations, which the fast code is held against."""
