"""What every page is given: the request's context, the cohort, and navigation."""
