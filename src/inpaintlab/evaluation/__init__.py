"""Evaluation: metrics beside classical baselines, as a table, JSON and a report."""
