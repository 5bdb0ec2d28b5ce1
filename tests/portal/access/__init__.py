"""What pages share: who may see them, and the forms they take."""
