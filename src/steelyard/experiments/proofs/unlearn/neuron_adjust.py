"""Neuron Adjust beside selective pruning, on the four skills of the proof of `skill-unlearn`.

Arms: na; pruning, which sets as many or fewer neurons to 0; ksd, of the same paper; and na-off, which is shown a skill
on other symbols. Figures and amounts are as in that proof.
"""

from steelyard.experiments.harness import Claim, Proof
from steelyard.experiments.proofs.unlearn.skill_unlearn import Setting, Takes, measure
from steelyard.worlds.several_skills import SeveralSkills

ARMS = {
    "na": Takes("adjust", 0.3),
    "na-off": Takes("adjust", 0.3, instead=True),
    "pruning": Takes("prune", 0.2),
    "ksd": Takes("detect", 1.0),
}

PROOF = Proof(
    proves=("neuron-adjust",),
    ours="na",
    control="na-off",
    equal="the model, 100 rows of each skill, and the best of four amounts",
    claims=(
        Claim("What is lost of the skill and kept of others comes apart 5 points further than by selective pruning",
              "apart", "pruning", 0.05),
        Claim("Of what the model knew of the skill, 50 % is lost", "lost", 0.0, 0.5),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(SeveralSkills()),
    quick=Setting(SeveralSkills(held_out=30), teaching=300),
    seeds=12,
)  # fmt: skip
