"""One run: pull, plan, apply; and how to revert one."""
