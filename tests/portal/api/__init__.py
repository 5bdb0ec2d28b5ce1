"""The API in real requests."""
