"""Proofs of methods of the room `task`."""
