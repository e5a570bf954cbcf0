"""A backbone whose hidden states an `Intervention` changes, through forward hooks that are gone once it is removed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steelyard.core import require
from steelyard.model.intervention import EMBEDDINGS, KEYS, Intervention, Pass, site_module


class Intervened:
    """A backbone with an intervention, called as the backbone is. Each call must be told where the prompts end."""

    def __init__(self, model: Any, backbone: Callable[..., Any], intervention: Intervention) -> None:
        """Put the hooks into `model`.

        Raises:
            SteelyardError: the model has no such site, or the intervention names none.
        """
        self.intervention = intervention
        self._backbone = backbone
        self._prompt_N: Tensor | None = None
        self._pass: Pass | None = None
        num_layers = model.config.num_hidden_layers
        sites = [*intervention.sites(num_layers)]
        require(bool(sites), "names no site", where="intervention", hint="name one, such as layers.0")
        places = [
            model.get_input_embeddings() if site == EMBEDDINGS else site_module(model, num_layers, site)
            for site in sites
        ]
        self._hooks = [self._hooked(place, site) for site, place in zip(sites, places, strict=True)]

    def remove(self) -> None:
        """Take the hooks out of the model."""
        for hook in self._hooks:
            hook.remove()

    @contextmanager
    def reading(self, prompt_N: Int[Tensor, "N"]) -> Iterator[None]:
        """Inside the `with`, rows are read whose prompts have so many tokens."""
        before = self._prompt_N
        self._prompt_N = prompt_N
        try:
            yield
        finally:
            self._prompt_N = before

    def __call__(
        self,
        input_ids: Int[Tensor, "N T"],
        attention_mask: Int[Tensor, "N S"] | None = None,
        position_ids: Int[Tensor, "N T"] | None = None,
        **options: Any,
    ) -> Any:
        """What the backbone gives. Without `position_ids`, rows begin at their first token."""
        self._pass = self._seen(input_ids, attention_mask, position_ids)
        known = {} if attention_mask is None else {"attention_mask": attention_mask}
        known |= {} if position_ids is None else {"position_ids": position_ids}
        try:
            return self._backbone(input_ids=input_ids, **known, **options)
        finally:
            self._pass = None

    def _seen(self, tokens_NT: Tensor, mask_NS: Tensor | None, positions_NT: Tensor | None) -> Pass:
        hint = "read rows inside `with policy.reading(prompt lengths)`"
        require(self._prompt_N is not None, "nobody says where the prompts end", where="intervention", hint=hint)
        assert self._prompt_N is not None
        real_NT: Bool[Tensor, "N T"] = torch.ones_like(tokens_NT, dtype=torch.bool)
        if mask_NS is not None:
            real_NT = mask_NS[:, -tokens_NT.shape[1] :].bool()
        if positions_NT is None:
            positions_NT = torch.arange(tokens_NT.shape[1], device=tokens_NT.device)[None]
        return Pass(tokens_NT, real_NT, real_NT & (positions_NT < self._prompt_N.to(tokens_NT.device)[:, None]))

    def _hooked(self, place: nn.Module, site: str) -> RemovableHandle:
        """Have the intervention change what a module gives, or what it reads."""

        def gives(_: nn.Module, __: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (self._changed(site, output[0]), *output[1:])
            return self._changed(site, output)

        def reads(_: nn.Module, given: Any) -> Any:
            return (self._changed(site, given[0]), *given[1:])

        if site.endswith(KEYS):
            return place.register_forward_pre_hook(reads)
        return place.register_forward_hook(gives)

    def _changed(self, site: str, hidden_NTD: Tensor) -> Tensor:
        hint = "call the policy's backbone, not its model"
        require(self._pass is not None, "the model was called past it", where="intervention", hint=hint)
        assert self._pass is not None
        changed_NTD = self.intervention.change(site, hidden_NTD, self._pass)
        same = changed_NTD.shape == hidden_NTD.shape and changed_NTD.dtype == hidden_NTD.dtype
        what = f"{site} was {tuple(hidden_NTD.shape)} {hidden_NTD.dtype} and became something else"
        require(same, what, where="intervention", hint="keep the shape and the type")
        return changed_NTD


def hooked(model: nn.Module) -> bool:
    """Whether anybody's hooks stand between the modules of a model, which only the model's own forward pass runs."""
    # There is no public way to ask a module for its hooks.
    return any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
