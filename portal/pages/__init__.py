"""The pages, a module for each role: one handler, one question, one template each."""
