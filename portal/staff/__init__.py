"""Pages for leaders and staff: overview, lists, runs and the report."""
