"""What `clearance init` and `clearance source add` do: ask, probe, propose, write."""
