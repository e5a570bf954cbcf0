"""Proofs of methods of the room `reward`."""
