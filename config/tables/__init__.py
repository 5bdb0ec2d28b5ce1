"""Tables of the settings file, and the values that their keys hold."""
