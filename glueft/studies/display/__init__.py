"""A study on the terminal: while it runs, from another shell, and before it begins."""
