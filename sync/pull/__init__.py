"""Pull: what a source is asked, and what its answer must show before anything is planned on it."""
