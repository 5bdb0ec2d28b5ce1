"""For connectors that read a file: which file it is, and what kind of file."""
