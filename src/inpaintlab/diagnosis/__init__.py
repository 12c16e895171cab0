"""Verdicts: what can be known of a run before it begins, and what was wrong with it after it."""
