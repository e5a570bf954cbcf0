"""Proofs of methods of the room `curriculum`."""
