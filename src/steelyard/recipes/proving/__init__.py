"""What a proof is and how it is judged: a stated criterion, paired seeds, an interval, and a control that must fail."""

from steelyard.recipes.proving.proof import Claim, Proof

__all__ = ["Claim", "Proof"]
