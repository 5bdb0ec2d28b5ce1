"""The background work: the schedule, and the requests that people make on the pages."""
