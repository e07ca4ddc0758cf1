"""`glueft serve`: a model behind a small HTTP service."""
