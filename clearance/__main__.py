"""`python -m clearance` is the command `clearance`."""

from clearance.main import main

main()
