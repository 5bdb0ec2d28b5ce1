"""The database of accounts and requests: its writes and its seals."""
