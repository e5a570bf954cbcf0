"""Proofs of methods of the room `eval`."""
