"""Proofs of ways to generate."""
