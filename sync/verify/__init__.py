"""Checks that the stored rows agree with the ledger, with each other, and with the rule."""
