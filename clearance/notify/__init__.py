"""The notifications as commands and the schedule use them."""
