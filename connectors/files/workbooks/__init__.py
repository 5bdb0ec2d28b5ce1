"""Spreadsheets of each format, row by row."""
