"""The end of a cohort on the command line: its report, its encrypted archive, and its deletion record."""
