"""The database of accounts and requests: how it is written and sealed."""
