"""Data: where images come from, how they are split, and how they reach a training step."""
