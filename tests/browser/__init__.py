"""The pages in a real browser: each role's journeys, on a phone and on a desk, with and without scripts."""
