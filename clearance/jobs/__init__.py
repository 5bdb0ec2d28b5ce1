"""The schedule and the worker, put together."""
