"""The rows of a table in a file: its header, its rows, and what each row is."""
