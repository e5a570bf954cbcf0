"""Proofs of methods of the room `decode`."""
