"""Settings, secrets and logging; imports no other package of this project but `foundation`."""
