"""Read-only queries for the pages, the command line and exports."""
