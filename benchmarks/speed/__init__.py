"""Measures of the sync, the quick commands and `verify`, each beside its floor."""
