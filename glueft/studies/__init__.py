"""Studies: the runs of several recipes, settings and seeds from one file, and the table that can be told from them."""
