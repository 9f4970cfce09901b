"""Waveform to features; imports torch and numpy, no more."""
