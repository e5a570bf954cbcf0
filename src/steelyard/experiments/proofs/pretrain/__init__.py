"""Proofs of methods of the room `pretrain`."""
