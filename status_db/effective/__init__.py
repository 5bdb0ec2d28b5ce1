"""What counts for each step: decisions above findings, in Python and in SQL."""
