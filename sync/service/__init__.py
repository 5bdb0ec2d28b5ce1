"""What runs by itself: the schedule, and what people ask for on the pages."""
