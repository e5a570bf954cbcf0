"""Proofs of methods of the room `data`."""
