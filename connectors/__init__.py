"""One file per kind of office system: each asks one question and gives a whole Snapshot, or raises."""
