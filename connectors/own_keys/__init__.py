"""What several connectors' own keys share."""
