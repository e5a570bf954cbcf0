"""What proofs, studies and benchmarks share: processes, paired seeds, claims and verdicts, pages."""

from steelyard.experiments.harness.arm import Arm
from steelyard.experiments.harness.claim import Claim
from steelyard.experiments.harness.metric import share
from steelyard.experiments.harness.proof import Proof

__all__ = ["Arm", "Claim", "Proof", "share"]
