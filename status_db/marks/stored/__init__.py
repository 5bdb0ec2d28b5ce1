"""What `CurrentState` in `status_db/marks/current.py` reads apart: the past runs, and students by their numbers."""
