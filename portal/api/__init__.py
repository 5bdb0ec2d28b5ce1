"""The API: what the pages show, as JSON, for the programs of others. It is read, and nothing else."""
