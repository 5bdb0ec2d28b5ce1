"""What the processes show for monitoring."""
