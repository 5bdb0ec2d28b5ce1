"""The promises as harnesses: each breaks something on purpose and looks at what is stored afterwards."""
