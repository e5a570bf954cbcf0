"""Measured claims: several runs side by side, with seeds, a table, and a verdict that can fail."""
