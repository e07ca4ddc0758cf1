"""Two studies compared: `glueft study compare`."""
