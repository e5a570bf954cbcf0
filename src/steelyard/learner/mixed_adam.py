"""Adam for a network with large tables: rows of a table that a step did not read stay as they are.

    dense parameters     AdamW
    tables               the same moments, kept and moved for the rows that were read alone (torch.optim.SparseAdam)

A step then costs what it reads, however many rows there are. Differs from one AdamW over all: rows that are not read
keep their moments, and tables have no weight decay.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


class MixedAdam(torch.optim.Optimizer):
    """Both as one optimizer.

    Args:
        dense: parameters whose gradients are dense.
        tables: parameters whose gradients are sparse, such as those of nn.EmbeddingBag(sparse=True).
        lr: the learning rate of both; a schedule sets it in `param_groups`.
        weight_decay: of the dense parameters.
    """

    def __init__(
        self, dense: Iterable[nn.Parameter], tables: Iterable[nn.Parameter], *, lr: float, weight_decay: float
    ) -> None:
        groups: list[dict[str, Any]] = [{"params": list(dense)}, {"params": list(tables)}]
        super().__init__(groups, {"lr": lr})
        of_dense, of_tables = self.param_groups  # each part shares its group, so both follow its learning rate
        self._dense = torch.optim.AdamW([of_dense], weight_decay=weight_decay)
        self._tables = torch.optim.SparseAdam([of_tables])

    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Move what has a gradient."""
        self._dense.step()
        self._tables.step()

    def state_dict(self) -> dict[str, Any]:
        """Moments by the number of the parameter, dense ones first, all of them tensors."""
        dense, tables = self._dense.state_dict(), self._tables.state_dict()
        first = len(self.param_groups[0]["params"])
        of_tables = {first + i: _as_tensors(own) for i, own in tables["state"].items()}
        groups = [{name: value for name, value in group.items() if name != "params"} for group in self.param_groups]
        return {"state": {**dense["state"], **of_tables}, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with what `state_dict` returned; learning rates stay as they are set."""
        first = len(self.param_groups[0]["params"])
        state = state_dict["state"]
        dense = {i: own for i, own in state.items() if i < first}
        tables = {i - first: {**own, "step": int(own["step"])} for i, own in state.items() if i >= first}
        for part, own in ((self._dense, dense), (self._tables, tables)):
            part.load_state_dict({"state": own, "param_groups": part.state_dict()["param_groups"]})
        self.param_groups = [*self._dense.param_groups, *self._tables.param_groups]  # they are new, and shared again


def _as_tensors(own: dict[str, Any]) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value) for name, value in own.items()}
