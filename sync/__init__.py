"""From a snapshot to the marks: the rule, the guard, the run and its schedule."""
