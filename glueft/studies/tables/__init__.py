"""What the scores of a study say, and its tables."""
