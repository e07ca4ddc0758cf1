"""The study file: read, changed by the command line, checked with every recipe that it would run."""
