"""The promises, tried: what must hold whatever happens, and in whatever order."""
