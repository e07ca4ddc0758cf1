"""Evaluation and prediction with a trained classifier."""
