"""The desk: where offices decide, and colleges review and hand out certificates. It writes decisions, never marks."""
