"""What the pages of the desk share: their services, the context of a request, and refusals."""
