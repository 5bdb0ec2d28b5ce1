"""Settings, secrets and logging; imports nothing of ours."""
