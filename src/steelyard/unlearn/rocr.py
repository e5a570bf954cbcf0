"""ROCR: what a model takes a name for is redirected to another name, by an edit of rank one that no data train.

    R   = (z* - z) / (L - i)                                    for the i-th of L edited layers, i = 0 ... L - 1
    W  <- W + U^T,   U = [P (k k^T + C) + penalty I]^-1 P k R^T
    P   = projector on the eigenvectors of E[k' k'^T] with eigenvalues below `threshold`
    C  <- C + k k^T          at the end of a request, which keeps what earlier requests wrote

W [D, M] is the last matrix of a layer's feed-forward part and k [M] what it reads at the last token of the name; z [D]
is the residual stream there after the last edited layer, read again before each layer is edited, and z* that of the
other name. All are means over templates. k' are what W reads of text that is to be kept, so an edit is nothing to it.
Differs: the templates are ours; z and z* are means over all of them, where the released code reads z* in the first and
z in none; k' are of the user's own rows, where the paper takes 100,000 texts of Wikipedia. The paper's two other
targets, a refusal's optimised state and scaled noise, are not here.
Source: arXiv:2506.07795 (Form-Dependent Bias; ROCR), and its code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from msgspec import Meta
from torch import Tensor

from steelyard.core import NonNegativeInt, Positive, Trajectory, checked, method, require
from steelyard.learner.demonstrations import given
from steelyard.model.intervention import KEYS
from steelyard.policy import Policy
from steelyard.unlearn.neuron_states import ROWS, states
from steelyard.unlearn.value_vectors import num_layers, value_vectors

TEMPLATES = (
    "{}",
    "Tell me about {}",
    "A question about {}",
    "What is known of {}",
    "Write a text about {}",
    "Choose the right answer about {}",
)
EIGHTH = 8
THREE = 3
"""Layers that are edited where none are named, from the eighth part of the depth on."""
Layers = Annotated[tuple[NonNegativeInt, ...], Meta(description="numbers of layers that follow each other, from 0")]
Templates = Annotated[tuple[str, ...], Meta(min_length=1, description="texts with {} in the place of the name")]


@method(
    "rocr",
    paper="arXiv:2506.07795",
    claim="redirecting a concept forgets it in every form of asking, where training forgets the wording it was shown",
)
@checked()
@dataclass(frozen=True)
class ROCR:
    """Which layers are edited, and how strongly."""

    layers: Layers = ()
    """Layers that are edited, one after the other; empty for three from an eighth of the depth on: 4 to 6 of 32."""
    threshold: Positive = 0.02
    """Directions of keys whose second moment in kept text is below this may change."""
    penalty: Positive = 1.0
    """Of the edit's size."""
    templates: Templates = TEMPLATES
    """Texts in which a name is read; {} stands for it."""

    def __post_init__(self) -> None:
        follow = not self.layers or self.layers == tuple(range(self.layers[0], self.layers[0] + len(self.layers)))
        require(follow, f"is {self.layers}", where="rocr.layers", hint="name layers that follow each other, from 0")
        odd = next((text for text in self.templates if text.count("{}") != 1), None)
        require(odd is None, f"{odd!r} has not one {{}}", where="rocr.templates", hint="write {} once in each")

    def begin(self, policy: Policy, kept: Sequence[Trajectory], *, chat: bool = False) -> "Redirection":
        """Read what is to be kept; the policy is then edited request by request.

        Args:
            policy: what is edited, in place.
            kept: rows that the edits are to leave as they are.
            chat: whether a template is a user's message, as the policy's chat template has it.

        Raises:
            SteelyardError: the model has no such layer, nothing is to be kept, or text to be kept takes all directions.
        """
        require(
            len(kept) > 0, "there is nothing to keep", where="rocr", hint="name --retain FILE: an edit leaves it be"
        )
        layers = self.layers_of(policy)
        free = {}
        for layer, moment_MM in moments(policy, kept, layers).items():
            free[layer] = null_space(moment_MM, self.threshold)
            what = f"text to be kept leaves no direction of layer {layer} free"
            require(bool(free[layer].any()), what, where="--threshold", hint="raise it, or edit other layers")
        return Redirection(self, policy, free, chat)

    def layers_of(self, policy: Policy) -> tuple[int, ...]:
        """The layers that are edited in a policy.

        Raises:
            SteelyardError: it has not all of them.
        """
        number = num_layers(policy)
        first = number // EIGHTH
        layers = self.layers or tuple(range(first, max(first + 1, min(first + THREE, number - 1))))
        what = f"is {' '.join(map(str, layers))}, and the model has {number} layers"
        require(layers[-1] < number, what, where="--layers", hint=f"name some of 0 to {number - 1}")
        return layers


class Redirection:
    """Edits under way: the free directions of each layer, and the keys of earlier requests."""

    def __init__(self, method: ROCR, policy: Policy, free: Mapping[int, Float[Tensor, "M M"]], chat: bool) -> None:
        self.free = dict(free)
        self.written = {layer: torch.zeros_like(free_MM) for layer, free_MM in free.items()}
        self._method = method
        self._policy = policy
        self._chat = chat

    def redirect(self, name: str, other: str) -> Mapping[str, float]:
        """Edit the policy so that it takes a name for another; returns how far their states were apart, and are now.

        Raises:
            SteelyardError: a name cannot be found in its template as the model reads it.
        """
        layers = tuple(self.free)
        _, target_D = self.read(other)
        _, before_D = self.read(name)
        for i, layer in enumerate(layers):
            keys, state_D = self.read(name)
            residual_D = (target_D - state_D) / (len(layers) - i)
            update_MD = edit(self.free[layer], self.written[layer], keys[layer], residual_D, self._method.penalty)
            vectors_MD = value_vectors(self._policy, layer)
            vectors_MD += update_MD.to(vectors_MD)
        keys, state_D = self.read(name)
        for layer in layers:
            self.written[layer] += torch.outer(keys[layer], keys[layer])
        return {
            "rocr/apart_before": float((target_D - before_D).norm()),
            "rocr/apart": float((target_D - state_D).norm()),
        }

    def read(self, name: str) -> tuple[Mapping[int, Float[Tensor, "M"]], Float[Tensor, "D"]]:
        """The key of a name at each edited layer, and its state after the last."""
        found = [placed(self._policy, text, name, chat=self._chat) for text in self._method.templates]
        rows, places = [row for row, _ in found], [[at] for _, at in found]
        layers = tuple(self.free)
        last = f"layers.{layers[-1]}"
        at = states(self._policy, rows, [*(f"layers.{i}{KEYS}" for i in layers), last], places)
        return {i: at[f"layers.{i}{KEYS}"].mean(0).double() for i in layers}, at[last].mean(0).double()


def edit(
    free_MM: Float[Tensor, "M M"],
    written_MM: Float[Tensor, "M M"],
    key_M: Float[Tensor, "M"],
    residual_D: Float[Tensor, "D"],
    penalty: float,
) -> Float[Tensor, "M D"]:
    """U: what is added to the value vectors, so that the key calls for the residual."""
    held_MM = free_MM @ (torch.outer(key_M, key_M) + written_MM) + penalty * torch.eye(len(key_M)).to(free_MM)
    return torch.outer(torch.linalg.solve(held_MM, free_MM @ key_M), residual_D)


def null_space(moment_MM: Float[Tensor, "M M"], threshold: float) -> Float[Tensor, "M M"]:
    """P: the projector on the eigenvectors of a second moment whose eigenvalues are below the threshold."""
    value_M, vector_MM = torch.linalg.eigh(moment_MM)
    free_MF = vector_MM[:, value_M < threshold]
    return free_MF @ free_MF.T


def moments(policy: Policy, rows: Sequence[Trajectory], layers: Sequence[int]) -> dict[int, Float[Tensor, "M M"]]:
    """E[k k^T] of what the last matrix of each layer reads, over all tokens of the rows."""
    total: dict[int, Tensor] = {}
    tokens = 0
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        found = states(policy, part, [f"layers.{i}{KEYS}" for i in layers], [range(len(t.tokens_T)) for t in part])
        for i in layers:
            key_KM = found[f"layers.{i}{KEYS}"].double()
            total[i] = total.get(i, torch.zeros(())) + key_KM.T @ key_KM
        tokens += sum(len(t.tokens_T) for t in part)
    return {i: total_MM / tokens for i, total_MM in total.items()}


def placed(policy: Policy, template: str, name: str, *, chat: bool = False) -> tuple[Trajectory, int]:
    """A template with a name as the policy reads it, and where the last token of the name stands.

    Raises:
        SteelyardError: the model cannot read the name.
    """
    before = template.partition("{}")[0].count(name)
    text = template.format(name)
    tokens = policy.encode([{"role": "user", "content": text}] if chat else text)
    for at in range(len(tokens)):
        if policy.tokenizer.decode(tokens[: at + 1]).count(name) > before:
            return given(name, tokens, ()), at
    hint = "write it as the model's tokenizer reads it"
    require(False, f"{name!r} is not found in {template!r} as the model reads it", where="rocr", hint=hint)
    raise AssertionError
