"""What depends on the operating system: signals, processes, streams, plain files."""
