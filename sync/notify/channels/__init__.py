"""The channels of notifications, one module each."""
