"""Executable proofs: each module holds a `PROOF` of one paper's claim, and is named by that method's card."""
