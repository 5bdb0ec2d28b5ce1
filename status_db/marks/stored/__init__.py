"""Parts of `CurrentState` in `status_db/marks/current.py`: the past runs, and students by their numbers."""
