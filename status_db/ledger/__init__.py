"""The ledger: one link for each change, sealed with a key outside the database."""
