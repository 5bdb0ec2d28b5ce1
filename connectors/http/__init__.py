"""For connectors that ask over the web: one exchange, its pages, and what an answer means."""
