"""The plan past one machine: measured costs, and a simulation that rests on them."""
