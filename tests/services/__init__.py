"""Real neighbours for tests: databases, HTTP servers."""
