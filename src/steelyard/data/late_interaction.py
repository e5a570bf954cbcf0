"""A reranker that compares a question with a passage token by token.

    f(d, x) = sum over tokens i of x  max over tokens j of d  (W h_i(x)) . (W h_j(d))

h are an encoder's hidden states, W [C, D] a map to C numbers. Products of vectors, not their cosines. N questions, K
passages for each, T tokens, D numbers of a state.
Source: Khattab and Zaharia 2020, arXiv:2004.12832, which takes cosines; the products are those of KARD's released code.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from steelyard.core import derive
from steelyard.core.model_files import file_errors, read_tensors, write_tensors
from steelyard.policy.text_states import Read, TextStates

HEAD = "compressor.safetensors"
ABSENT = -1e4
"""The product with a token that is not there."""


class LateInteraction(nn.Module):
    """An encoder and the map of its states.

    Args:
        states: the encoder.
        width: C, numbers that a token is compared by.
        seed: of the map.
    """

    def __init__(self, states: TextStates, *, width: int, seed: int) -> None:
        super().__init__()
        self.states = states
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "late-interaction") % 2**63)
            self.compressor = nn.Linear(states.width, width).to(states.net.device)

    def forward(self, questions: Sequence[str], passages: Sequence[Sequence[str]]) -> Float[Tensor, "N K"]:
        """The score of each passage for its question; every question has as many passages."""
        asked = self._read(questions)
        told = self._read([passage for row in passages for passage in row])
        shape = (len(questions), -1, *told.state_NTD.shape[1:])
        product = torch.einsum("nic,nkjc->nkij", asked.state_NTD, told.state_NTD.reshape(shape))
        said = told.said_NT.reshape(shape[:-1])[:, :, None, :]
        best = product.masked_fill(~said, ABSENT).amax(-1)
        return best.masked_fill(~asked.said_NT[:, None, :], 0.0).sum(-1)

    def _read(self, texts: Sequence[str]) -> Read:
        state_NTD, said_NT = self.states(texts)
        return Read(self.compressor(state_NTD), said_NT)

    @torch.no_grad()
    def ranked(self, question: str, passages: Sequence[str], *, batch: int = 64) -> list[int]:
        """The places of the passages, from the highest score to the lowest, of equal ones the first."""
        parts = [self([question], [passages[i : i + batch]])[0] for i in range(0, len(passages), batch)]
        return torch.cat(parts).argsort(descending=True, stable=True).tolist() if parts else []

    def save(self, directory: Path) -> None:
        """Write the encoder and the map into a directory."""
        self.states.save(directory)
        write_tensors(dict(self.compressor.named_parameters()), directory / HEAD)

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu") -> "LateInteraction":
        """What `save` wrote.

        Raises:
            SteelyardError: a file is missing or damaged.
        """
        hint = "give a run of kard that had an encoder"
        with file_errors("no reranker can be read", where=str(directory), hint=hint):
            tensors = read_tensors(directory / HEAD)
            made = cls(TextStates.load(str(directory), device=device), width=len(tensors["bias"]), seed=0)
            made.compressor.load_state_dict(tensors)
        return made
