"""SDM on toy safety: a guard's head is asked about words, and about cloaks, that it knows nothing of.

The frozen model is a network over bags of words that learned harm from requests without cloaks and without a third of
the acts, and has read the words of all, as a language model has. Heads are fitted on its states of further such
requests, half of which calibrate. Out of distribution are held-out requests with one of the other acts (`new`), where
the model can only guess, and requests with a cloak and no permit (`cloaked`), where the rule is turned round: who
judges by the act is wrong on every one, and the frozen states hardly tell.

Arms, which differ in when a ruling is admitted: sdm, by its region; `softmax`, the same network and epochs under a
softmax, from .95 on; `temperature`, that softmax after its temperature was fitted on the calibration states; and the
control, sdm with similarities and distances that belong to other states, of requests in distribution. `misjudged_...`
is the share of requests that are admitted and wrong; `known` the share of requests in distribution that are admitted,
`known_wrong` the share of those that is wrong; `selective_...` how much more is admitted in distribution than out.
Nothing is claimed of cloaks: where frozen states hide a shift, what is admitted is wrong (docs/lab-notes.md).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy

from steelyard.core import Prompt, derive, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.guard import SDM, BagGuard
from steelyard.guard.sdm import Awareness, SDMHead, log_sdm, softmax_awareness
from steelyard.guard.sdm_fit import SDMFit
from steelyard.worlds.safety import ToySafety

How = Literal["sdm", "softmax", "temperature", "dealt"]
ARMS: Mapping[str, How] = {"sdm": "sdm", "softmax": "softmax", "temperature": "temperature", "sdm-off": "dealt"}
KNOWN_ACTS = 8
"""Of the 12 wicked and of the 12 good acts, how many are in requests that are learned from."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: ToySafety
    method: SDM = field(default_factory=lambda: SDM(epochs=20))
    steps: int = 400
    """That the frozen model learned for."""


@dataclass(frozen=True)
class Asked:
    """Requests by their states, and what is true of them."""

    state_ND: Float[Tensor, "N D"]
    label_N: Int64[Tensor, "N"]

    @classmethod
    def of(cls, frozen: BagGuard, prompts: Sequence[Prompt]) -> "Asked":
        """What the frozen model makes of them."""
        state_ND = frozen([str(p.text) for p in prompts]).state_ND
        return cls(state_ND, torch.tensor([int(p.columns["harm"]) for p in prompts]))


class PlainFit(SDMFit):
    """The same network under a softmax, to which all states are alike."""

    def _awareness(self, train: Int64[Tensor, "T"]) -> Awareness:
        return softmax_awareness(len(train))

    def _calibrated(self, similarity_K: Float[Tensor, "K"], distance_K: Float[Tensor, "K"]) -> Awareness:
        return softmax_awareness(len(similarity_K))


class Court:
    """The frozen model, the heads, and the requests of a seed."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.seed = seed
        world = replace(setting.world, data_seed=seed)
        words = world.lexicon.words
        unheard = {*words["wicked"][KNOWN_ACTS:], *words["good"][KNOWN_ACTS:]}

        def told(prompt: Prompt, *families: str, new: bool = False) -> bool:
            is_new = not unheard.isdisjoint(str(prompt.text).split())
            return prompt.columns["family"] in families and is_new == new

        train = list(world.prompts("train"))
        known = [p for p in train if told(p, "plain", "permitted")]
        half = len(known) // 2
        frozen = BagGuard([word for kind in words.values() for word in kind], width=64, seed=derive(seed, "frozen"))
        harm_N = torch.tensor([bool(p.columns["harm"]) for p in known[:half]])
        texts = [str(p.text) for p in known[:half]]
        frozen.fit(texts, harm_N, [str(p.text) for p in train], steps=setting.steps, seed=seed)
        self.size = float(frozen.num_parameters)
        self.fitted_on = Asked.of(frozen, known[half:])
        held = world.prompts("held-out")
        self.inside = Asked.of(frozen, [p for p in held if told(p, "plain", "permitted")])
        self.outside = {
            "new": Asked.of(frozen, [p for p in held if told(p, "plain", new=True)]),
            "cloaked": Asked.of(frozen, [p for p in held if told(p, "cloaked")]),
        }

    @cached_property
    def aware(self) -> SDMHead:
        """The head of sdm."""
        return SDMFit(self.setting.method, self.fitted_on.state_ND, self.fitted_on.label_N, self.seed).run()

    @cached_property
    def plain(self) -> tuple[SDMHead, float]:
        """The head under a softmax, and its temperature on the calibration states."""
        fit = PlainFit(self.setting.method, self.fitted_on.state_ND, self.fitted_on.label_N, self.seed)
        head = fit.run()
        _, held = fit._parts(0)
        logit_KC = logits_of(head, self.fitted_on.state_ND[held])

        def loss(log_temperature: float) -> float:
            return float(cross_entropy(logit_KC / 2.718281828**log_temperature, self.fitted_on.label_N[held]))

        found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded")
        return head, 2.718281828 ** float(found.x)

    def ruled(self, how: How, asked: Asked) -> tuple[Bool[Tensor, "N"], Bool[Tensor, "N"]]:
        """Which rulings are admitted, and which are right."""
        if how in ("softmax", "temperature"):
            head, temperature = self.plain
            logit_NC = logits_of(head, asked.state_ND) / (temperature if how == "temperature" else 1.0)
            top_N, class_N = logit_NC.softmax(-1).max(1)
            return top_N >= self.setting.method.level, class_N == asked.label_N
        sdm_NC, known = self.aware.read(asked.state_ND)
        if how == "dealt":
            _, others = self.aware.read(self.inside.state_ND)
            of = torch.from_numpy(rng(self.seed, "dealt").integers(len(self.inside.label_N), size=len(asked.label_N)))
            known = Awareness(others.similarity_N[of], others.distance_N[of])
            sdm_NC = log_sdm(logits_of(self.aware, asked.state_ND), known).exp()
        admitted_N = self.aware.region.admits(sdm_NC, known.similarity_N)
        return admitted_N, logits_of(self.aware, asked.state_ND).argmax(-1) == asked.label_N


@torch.no_grad()
def logits_of(head: SDMHead, state_ND: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
    """z."""
    return head.adaptor((state_ND - head.shift_2D[0]) / head.shift_2D[1])[1]


def measure(seed: int, setting: Setting, arms: Iterable[Arm[How]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm, on requests in and out of distribution."""
    court = Court(setting, seed)
    for arm in arms:
        admitted_N, right_N = court.ruled(arm.settings, court.inside)
        row = share("known", int(admitted_N.sum()), len(right_N))
        row |= share("known_wrong", int((admitted_N & ~right_N).sum()), max(int(admitted_N.sum()), 1))
        for name, asked in court.outside.items():
            admitted_N, right_N = court.ruled(arm.settings, asked)
            row |= share(f"misjudged_{name}", int((admitted_N & ~right_N).sum()), len(right_N))
            row |= share(f"admitted_{name}", int(admitted_N.sum()), len(right_N))
            row |= share(f"right_{name}", int(right_N.sum()), len(right_N))
            row[f"selective_{name}"] = row["known"] - row[f"admitted_{name}"]
        yield arm.name, {**row, "parameters": court.size + court.aware.num_parameters}


PROOF = Proof(
    proves=("sdm",),
    ours="sdm",
    control="sdm-off",
    equal="frozen model, states, network, epochs, learning rate, the level of .95",
    claims=(
        Claim("From unknown acts it abstains more than from known ones, by 20 points more than a softmax",
              "selective_new", "softmax", 0.2),
        Claim("and by 40 points more than a softmax of fitted temperature", "selective_new", "temperature", 0.4),
        Claim("Of requests with unknown acts at most 5 % are admitted and wrong", "misjudged_new", 0.05, 0.0,
              lower_is_better=True),
        Claim("It admits half of the requests in distribution", "known", 0.0, 0.5, control=None),
        Claim("and is wrong on at most 5 % of those", "known_wrong", 0.05, 0.0, lower_is_better=True),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(ToySafety(requests=6000, cloaked_share=0.1)),
    quick=Setting(ToySafety(requests=4000, cloaked_share=0.1), steps=300),
    seeds=3,
)  # fmt: skip
