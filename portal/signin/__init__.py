"""Pages to sign in and out, to set a password, and to show a second factor."""
