"""The rule and the guard. Pure."""
