"""What people ask for on the pages, and wait for: requests, uploads, appeals, announcements."""
