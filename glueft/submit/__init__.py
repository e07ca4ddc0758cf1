"""The upload of a benchmark."""
