"""How an account proves who it is: codes, second factors, and slowed-down guesses."""
