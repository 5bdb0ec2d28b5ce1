"""Pages of a student: the card of each step, the slip, appeals and rechecks."""
