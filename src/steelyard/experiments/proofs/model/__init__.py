"""Proofs of methods of the room `unlearn`."""
