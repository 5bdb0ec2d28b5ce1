"""Cases from the field: small inputs, each with its right answer, through the real connector and the real command."""
