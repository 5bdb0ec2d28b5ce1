"""Files that a command reads or writes, and the rights on a university's files."""
