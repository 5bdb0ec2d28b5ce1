"""One run: pull, plan, apply; and the way back from one."""
