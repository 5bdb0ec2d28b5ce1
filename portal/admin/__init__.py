"""Pages of administrators and auditors: accounts, announcements, the audit log."""
