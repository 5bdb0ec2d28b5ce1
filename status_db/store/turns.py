"""The name of the lock of the desk's writers on PostgreSQL, as the cohort's key is for its writers."""

DESK = "desk"
