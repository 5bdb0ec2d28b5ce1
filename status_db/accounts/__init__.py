"""Accounts: who can sign in, what each account is allowed to do, and the audit log."""
