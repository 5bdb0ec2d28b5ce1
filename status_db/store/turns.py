"""By what name the writers of the desk take turns on one PostgreSQL, as the writers of a cohort do."""

DESK = "desk"
