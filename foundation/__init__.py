"""The ground floor: what several rooms share. It imports none of them."""
