"""Whether what is stored agrees with the ledger, with itself, and with the rule."""
