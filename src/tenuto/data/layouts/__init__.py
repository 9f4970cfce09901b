"""Readers of data sets as they are published: a file a data set, a row each in `tenuto.data.sets.LAYOUTS`."""
