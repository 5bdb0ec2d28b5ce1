"""The job queue of several machines, on PostgreSQL by procrastinate: the only folder that imports it."""
