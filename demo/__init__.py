"""The demo university: an invented one, whose four offices are systems of their own."""
