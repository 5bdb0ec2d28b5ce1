"""What several rooms share, at the bottom of the layers."""
