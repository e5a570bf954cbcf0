"""An encoder of conversations that says by itself which earlier turns the last one is about.

    e_t = mean of the hidden states of turn t,     g_t = sigma(v . tanh(A e_t + B e_T + C (e_t * e_T) + c))    t < T
    q   = (e_T + sum_t g_t e_t) / (1 + sum_t g_t),   of length 1

T turns, of which the last is the user's. A gate stands half open before it has learned. `selector` is "all" for g = 1,
a plain mean of all turns, and "last" for g = 0. A summary is a conversation of one turn. N conversations, D numbers.
No paper: it is a part of `convretrieval`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from steelyard.core import derive
from steelyard.core.model_files import file_errors, read_tensors, write_tensors
from steelyard.policy.text_states import TextStates

Selector = Literal["soft", "all", "last"]
GATE = "gate.safetensors"


class ConversationEncoder(nn.Module):
    """An encoder of turns, and the gate of earlier ones.

    Args:
        states: the encoder.
        selector: which earlier turns count.
        seed: of the gate.
    """

    def __init__(self, states: TextStates, selector: Selector = "soft", *, seed: int) -> None:
        super().__init__()
        self.states = states
        self.selector = selector
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "conversation-gate") % 2**63)
            D = states.width
            last = nn.Linear(D, 1)
            gate = nn.Sequential(nn.Linear(3 * D, D), nn.Tanh(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.gate = gate.to(states.net.device)

    def forward(self, conversations: Sequence[Sequence[str]]) -> Float[Tensor, "N D"]:
        """The embedding of each conversation, of length 1 (0 for one without tokens)."""
        mean_UD = self.states([turn for turns in conversations for turn in turns]).mean_ND
        ends = np.cumsum([len(turns) for turns in conversations])
        last_ND = mean_UD[torch.from_numpy(ends - 1)]
        most = max(len(turns) for turns in conversations) - 1
        place_NT = torch.from_numpy(ends[:, None] - 2 - np.arange(most))  # from the turn before the last backwards
        there_NT = torch.tensor([[t < len(turns) - 1 for t in range(most)] for turns in conversations])
        earlier_NTD = mean_UD[place_NT.clamp(min=0)]
        gate_NT = self.gates(earlier_NTD, last_ND) * there_NT.reshape(len(conversations), most).to(mean_UD)
        pooled_ND = last_ND + (gate_NT[..., None] * earlier_NTD).sum(1)
        return normalize(pooled_ND / (1 + gate_NT.sum(1, keepdim=True)), dim=-1)

    def gates(self, earlier_NTD: Float[Tensor, "N T D"], last_ND: Float[Tensor, "N D"]) -> Float[Tensor, "N T"]:
        """How far each earlier turn counts beside the last one, from 0 to 1."""
        if self.selector == "soft":
            last_NTD = last_ND[:, None].expand_as(earlier_NTD)
            return self.gate(torch.cat([earlier_NTD, last_NTD, earlier_NTD * last_NTD], -1)).squeeze(-1).sigmoid()
        return torch.full_like(earlier_NTD[..., 0], float(self.selector == "all"))

    @torch.no_grad()
    def embed(self, conversations: Sequence[Sequence[str]], *, batch: int = 64) -> Float[Tensor, "N D"]:
        """The same in batches, without a gradient."""
        starts = range(0, len(conversations), batch)
        parts = [self(conversations[i : i + batch]).cpu() for i in starts]
        return torch.cat(parts) if parts else torch.zeros(0, self.states.width)

    def save(self, directory: Path) -> None:
        """Write the encoder and the gate into a directory."""
        self.states.save(directory)
        write_tensors(dict(self.gate.named_parameters()), directory / GATE, selector=self.selector)

    @classmethod
    def load(cls, directory: Path, selector: Selector, *, device: str = "cpu") -> "ConversationEncoder":
        """What `save` wrote.

        Raises:
            SteelyardError: a file is missing or damaged.
        """
        hint = "give a run of convretrieval"
        with file_errors("no encoder of conversations can be read", where=str(directory), hint=hint):
            made = cls(TextStates.load(str(directory), device=device), selector, seed=0)
            made.gate.load_state_dict(read_tensors(directory / GATE))
        return made
