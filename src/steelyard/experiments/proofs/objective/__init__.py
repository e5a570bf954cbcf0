"""Proofs of methods of the room `objective`."""
