"""Bodies: what a skeleton is, and those of published data sets."""
