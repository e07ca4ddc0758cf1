"""Saved classifiers in the forms that other programs read: one file a format, all written and checked alike."""
