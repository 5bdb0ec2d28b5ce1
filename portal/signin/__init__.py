"""Pages to sign in and out, to set a password, and to use a second factor."""
