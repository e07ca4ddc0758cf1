"""The limits of all readers: what is larger is a mistake in the file, and is not read into memory."""

from __future__ import annotations

# Bytes of a line, its end left out; of a text file, compressed or not.
LONGEST_LINE = 2**26

# Characters of a field of CSV or TSV. Beyond this a quote was opened and never closed.
LONGEST_FIELD = 2**24

# Characters of a text.
LONGEST_TEXT = 1_000_000
