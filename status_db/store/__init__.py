"""The status database itself: engines, the tables' versions, roles and keys."""
