"""What proofs, studies and benchmarks share: paired seeds, intervals, verdicts, pages."""

from steelyard.experiments.harness.proof import Claim, Proof

__all__ = ["Claim", "Proof"]
