"""The paper's figures that are pictures of clips, runs and matrices: one small module a figure."""
