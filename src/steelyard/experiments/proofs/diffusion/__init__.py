"""Proofs of the room `diffusion`."""
