"""What there is to compute with here, what of it glueft would use, and what is wrong: `glueft env`."""
