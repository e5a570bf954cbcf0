"""Proofs of the methods that learn controllers."""
