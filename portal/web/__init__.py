"""What surrounds every page: limits, headers, faults, and work that must not block other requests."""
