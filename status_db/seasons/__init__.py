"""The end of a cohort: it is closed, archived and erased."""
