"""Several institutions on one installation: their settings, their schedules, and their pages."""
