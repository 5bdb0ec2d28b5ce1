"""Jobs handed out to workers: real schedules and workers as processes, on one PostgreSQL."""
