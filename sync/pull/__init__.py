"""Pull: ask a source, and check that its answer is whole before anything is planned on it."""
