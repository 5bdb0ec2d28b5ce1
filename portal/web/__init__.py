"""The web server's edge: limits, headers, faults, and work that must not block other requests."""
