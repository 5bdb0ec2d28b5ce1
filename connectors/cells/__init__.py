"""What a cell of an office holds: letters that did not survive, and student numbers. Pure."""
