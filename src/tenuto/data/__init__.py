"""Audio files, the clip table, data sets, and what makes batches of them."""
