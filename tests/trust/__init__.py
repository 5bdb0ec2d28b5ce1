"""The promises as harnesses: each breaks something on purpose and looks at what stands afterwards."""
