"""What the commands need to be declared: lazy loading, translated help, completion."""
