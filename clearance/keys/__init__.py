"""Replacing the keys of the ledger and of the desk."""
