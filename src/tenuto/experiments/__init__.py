"""The tables and figures of the paper and the post, as grids of recipes."""
