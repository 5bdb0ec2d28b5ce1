"""What the demo adds to a status database: the accounts of its people, and their work."""
