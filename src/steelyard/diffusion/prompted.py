"""A denoiser that reads prompts: words are told to the network in place of a class.

    h_l = e(w_l) + sum_m softmax_m(<Q e(w_l), K e(w_m)> / sqrt(W)) V e(w_m),      w_0 = begin
    wanted = mean_l (h_l + gelu(A norm(h_l)) B),      eps(x_t, t, w) = eps(x_t, t, wanted)

N rows, X numbers, C prompts, L words, W units. Words have no order, and one that is met nowhere in training keeps its
first vector. Class c stands for the c-th prompt; class C, "any", for no word at all, where `begin` is read alone.
Source: none, this reader is ours; an encoder of text in small, where real systems have CLIP's.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from steelyard.diffusion.denoiser import MLPDenoiser


def words_of(prompts: Sequence[str]) -> tuple[str, ...]:
    """The different words of the prompts, in alphabetical order."""
    return tuple(sorted({word for prompt in prompts for word in prompt.split()}))


class PromptDenoiser(nn.Module):
    """A network over a row that is told what is wanted by words.

    Args:
        size: X.
        prompts: what is said for each class.
        steps: T of the schedule.
        width: W, units of a layer.
        layers: residual layers.
    """

    def __init__(self, size: int, prompts: Sequence[str], steps: int, *, width: int = 128, layers: int = 3) -> None:
        super().__init__()
        self.any = len(prompts)
        self.words = words_of(prompts)
        longest = max(len(prompt.split()) for prompt in prompts)
        rows = [[*self.numbers(prompt), *[0] * longest][:longest] for prompt in (*prompts, "")]
        self.said_CL: Tensor
        self.register_buffer("said_CL", torch.tensor(rows).reshape(len(rows), longest))
        self.body = MLPDenoiser(size, 1, steps, width=width, layers=layers)
        self.vectors = nn.Embedding(len(self.words) + 1, width)
        self.mix = nn.Linear(width, 3 * width)
        self.more = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def numbers(self, prompt: str) -> list[int]:
        """The words of a prompt as numbers from 1; a word that is not known is left out."""
        return [self.words.index(word) + 1 for word in prompt.split() if word in self.words]

    def forward(
        self, noisy_NX: Float[Tensor, "N X"], place_N: Int64[Tensor, "N"], label_N: Int64[Tensor, "N"]
    ) -> Float[Tensor, "N X"]:
        """The predicted noise for the prompts of the classes."""
        return self.body.told(noisy_NX, place_N, self.read(self.said_CL[label_N]))

    def read(self, word_NL: Int64[Tensor, "N L"]) -> Float[Tensor, "N W"]:
        """What prompts ask for; word 0 is none."""
        return self.heard(self.vectors(word_NL), word_NL > 0)

    def heard(self, vector_NLW: Float[Tensor, "N L W"], said_NL: Bool[Tensor, "N L"]) -> Float[Tensor, "N W"]:
        """What vectors of words ask for, where there is a word."""
        begin_N1W = self.vectors.weight[:1].expand(len(vector_NLW), 1, -1)
        here_NL = torch.cat([torch.ones_like(said_NL[:, :1]), said_NL], 1)
        at_NLW = torch.cat([begin_N1W, vector_NLW], 1)
        query, key, value = self.mix(at_NLW).chunk(3, -1)
        score_NLL = (query @ key.mT / at_NLW.shape[-1] ** 0.5).masked_fill(~here_NL[:, None], -torch.inf)
        at_NLW = at_NLW + score_NLL.softmax(-1) @ value
        at_NLW = (at_NLW + self.more(at_NLW)) * here_NL[..., None]
        return at_NLW.sum(1) / here_NL.sum(1, keepdim=True)


class Told(nn.Module):
    """A denoiser whose classes are whatever it is told: row n of `wanted` is class n.

    Args:
        body: what predicts the noise.
        wanted_MW: W numbers for each of M classes.
    """

    def __init__(self, body: MLPDenoiser, wanted_MW: Float[Tensor, "M W"]) -> None:
        super().__init__()
        self.body = body
        self.wanted_MW = wanted_MW

    def forward(
        self, noisy_NX: Float[Tensor, "N X"], place_N: Int64[Tensor, "N"], label_N: Int64[Tensor, "N"]
    ) -> Float[Tensor, "N X"]:
        """The predicted noise."""
        return self.body.told(noisy_NX, place_N, self.wanted_MW[label_N])
