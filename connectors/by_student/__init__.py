"""For office systems that answer about one student at a time."""
