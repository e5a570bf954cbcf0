"""Corruption of prompts: noise on the first numbers of their embeddings.

    e_t[d] <- e_t[d] + strength noise_t[d],   d < E          at every token t of the prompt but the last

The noise of a place in the prompt is always the same, since an intervention draws nothing. A prompt of one token has
its last one changed. N rows, T tokens, D numbers of an embedding of which E are changed, P places that have a noise of
their own; later ones begin anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from steelyard.model.intervention import EMBEDDINGS, Pass


@dataclass(frozen=True)
class Corruption:
    """An intervention on the embeddings."""

    strength: float
    noise_PD: Float[Tensor, "P E"]

    def sites(self, num_layers: int) -> Sequence[str]:
        """The embeddings."""
        return (EMBEDDINGS,)

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T D"], reads: Pass) -> Float[Tensor, "N T D"]:
        """The embeddings of corrupted prompts."""
        place_NT = reads.prompt_NT.cumsum(1) - 1
        noise_PD = (self.strength * self.noise_PD).to(hidden_NTD)
        noise_NTD = noise_PD[place_NT.clamp(min=0) % len(noise_PD)]
        noise_NTD = pad(noise_NTD, (0, hidden_NTD.shape[2] - noise_NTD.shape[2]))
        return hidden_NTD + noise_NTD * marked(reads.prompt_NT)[..., None]


def marked(prompt_NT: Bool[Tensor, "N T"]) -> Bool[Tensor, "N T"]:
    """The tokens of each prompt but the last; that one where there is no other."""
    number_N1 = prompt_NT.sum(1, keepdim=True)
    return prompt_NT & ((prompt_NT.cumsum(1) < number_N1) | (number_N1 == 1))
