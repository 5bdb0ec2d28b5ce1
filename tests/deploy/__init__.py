"""Files for those who run the program."""

"""The files of deploy/: what they name is there, and what checks them without a daemon is content."""
