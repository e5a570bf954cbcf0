"""Proofs of methods of the room `guard`."""
