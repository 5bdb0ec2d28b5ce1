"""Sheets of paper: printed before, entered afterwards."""
