"""Files for those who run the program."""
