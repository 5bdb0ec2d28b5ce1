"""Commands as children of another command: they are started again when they end, and none outlives it."""
