"""`python -m glueft` does what `glueft` does, where the script is not on the path."""

from glueft.cli.start import main

if __name__ == "__main__":
    main()
