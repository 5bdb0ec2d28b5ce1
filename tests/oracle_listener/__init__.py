"""A listener that speaks Oracle's wire protocol to the real driver, over an SQLite file."""
