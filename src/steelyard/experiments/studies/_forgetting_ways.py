"""Ways to forget without a gradient on the facts, as the audits' study sets them: interventions, and an edit.

Settings by trials on seeds 900 to 902: those that forget most, and keep nine tenths in the median.
"""

from collections.abc import Callable, Mapping

from steelyard.learner.intervention_work import finish
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.unlearn import ECO, O3, ROCR, KeySpaceDetection, NeuronAdjust
from steelyard.unlearn.forgetting import Forgetting
from steelyard.unlearn.material import Material
from steelyard.unlearn.o3_detector import Detector
from steelyard.worlds.sync_loop import demonstration
from steelyard.worlds.topics import Topics

Forget = Callable[[Topics, Policy, Material, int], Policy]
"""World, the model that knows, what audits ask about, seed -> the model that is to have forgotten."""


def by_intervention(method: Forgetting) -> Forget:
    """The weights stay; what is fitted is put into a copy."""

    def forget(world: Topics, knowing: Policy, asked: Material, seed: int) -> Policy:
        policy = copied(knowing)
        fit = method.begin(policy, asked.forget, asked.retain, seed=seed)
        finish(fit)
        return policy

    return forget


def by_edit(method: ROCR) -> Forget:
    """Every subject of the forgotten topic is redirected to one that no model was taught."""

    def forget(world: Topics, knowing: Policy, asked: Material, seed: int) -> Policy:
        policy = copied(knowing)
        edits = method.begin(policy, [demonstration(policy, row.prompt, row.answer) for row in asked.retain])
        stranger = world.unheard()[0].subject
        for subject in dict.fromkeys(fact.subject for fact in world.forgotten()):
            edits.redirect(subject, stranger)
        return policy

    return forget


UNTRAINED: Mapping[str, Forget] = {
    "eco": by_intervention(ECO(dims=4)),
    "o3": by_intervention(
        O3(adapter_rate=6e-3, detector=Detector(detector_layers=2, detector_width=32, detector_steps=60))
    ),
    "skill-unlearn": by_intervention(KeySpaceDetection(scale=1.0)),
    "neuron-adjust": by_intervention(NeuronAdjust(share=1.0)),
    "rocr": by_edit(ROCR(layers=(0,), threshold=1e-3, penalty=3e-3, templates=("{}",))),
}
