"""Authentication data of accounts: one-time codes, second factors, and login attempts."""
