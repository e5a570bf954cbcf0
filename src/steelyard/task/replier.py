"""Sample a victim's replies with any transformers model, reproducibly for each attack.

    token t of reply r to text n  =  the least v with  sum_{u <= v} p(u) > uniform_nrt,   p: temperature, then top-p

Each uniform is a function of an address, so a reply depends on its text and address and not on the other texts of the
batch, up to rounding of the logits. Texts are left-padded and prefilled once for all R replies, with a KV cache.
N texts, R replies, T tokens, V vocabulary.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from steelyard.core import Sampling, require
from steelyard.core.seeds import uniforms
from steelyard.policy import Policy

Address = tuple[int | str, ...]


class Replier:
    """A policy and its sampling settings for replies.

    Args:
        policy: the model that replies; its weights do not change.
        sampling: temperature, top-p and most tokens of a reply.
        num_replies: R, replies to each text.
        seed: seed of all draws.
        batch: texts in a batch.
    """

    def __init__(self, policy: Policy, sampling: Sampling, num_replies: int, seed: int, *, batch: int = 32) -> None:
        require(sampling.temperature > 0, "replies at temperature 0 are all equal", where="replier", hint="raise it")
        what = f"{policy.model.config.model_type} has recurrent layers, which hear the padding of shorter texts"
        require(policy.caches, what, where="victim", hint="take a model of attention alone")
        self.policy = policy
        self.sampling = sampling
        self.num_replies = num_replies
        self.seed = seed
        self.batch = batch

    def replies(self, texts: Sequence[str], addresses: Sequence[Address]) -> list[list[str]]:
        """R replies to each text."""
        found: list[list[str]] = []
        for start in range(0, len(texts), self.batch):
            found += self._some(texts[start : start + self.batch], addresses[start : start + self.batch])
        return found

    @torch.inference_mode()
    def _some(self, texts: Sequence[str], addresses: Sequence[Address]) -> list[list[str]]:
        steps = self._steps
        R = self.num_replies
        tokens_NT, attend_NT = self._read(texts)
        tokens_MT, attend_MT = (x.repeat_interleave(R, 0) for x in (tokens_NT, attend_NT))
        drawn = uniforms(self.seed, addresses, R * steps).reshape(len(texts) * R, steps)
        uniform_MT = torch.from_numpy(drawn).to(tokens_NT.device)
        ended_M = torch.zeros(len(tokens_MT), dtype=torch.bool, device=tokens_NT.device)
        said = []
        ends = torch.tensor(self.policy.eos_ids, device=tokens_NT.device)
        cache = None
        for t in range(steps):
            logits_MV, cache = self._next(tokens_MT, attend_MT, cache)
            token_M = draw(logits_MV, uniform_MT[:, t], self.sampling)
            said.append(token_M.masked_fill(ended_M, self.policy.pad_id))
            ended_M |= torch.isin(token_M, ends)
            if bool(ended_M.all()):
                break
            tokens_MT = said[-1][:, None]
            attend_MT = torch.cat([attend_MT, (~ended_M).long()[:, None]], 1)
        return self._texts(torch.stack(said, 1).cpu().numpy(), len(texts))

    @property
    def _steps(self) -> int:
        """Most tokens of a reply: at most half of the context length."""
        return min(self.sampling.max_tokens, self.policy.context_length // 2)

    def _read(self, texts: Sequence[str]) -> tuple[Int[Tensor, "N T"], Int[Tensor, "N T"]]:
        most = self.policy.context_length - self._steps
        rows = [self.policy.encode(text)[-most:] for text in texts]
        longest = max(map(len, rows))
        pad = self.policy.pad_id
        tokens_NT = torch.tensor([[*[pad] * (longest - len(row)), *row] for row in rows], device=self.policy.device)
        attend_NT = torch.tensor([[*[0] * (longest - len(row)), *[1] * len(row)] for row in rows])
        return tokens_NT, attend_NT.to(self.policy.device)

    def _next(self, tokens_MT: Tensor, attend_MT: Tensor, cache: Any) -> tuple[Float[Tensor, "M V"], Any]:
        positions_MT = (attend_MT.cumsum(1) - 1).clamp(min=0)[:, -tokens_MT.shape[1] :]
        out = self.policy.backbone(
            input_ids=tokens_MT,
            attention_mask=attend_MT,
            position_ids=positions_MT,
            past_key_values=cache,
            use_cache=True,
        )
        return self.policy.head(out.last_hidden_state[:, -1]), out.past_key_values

    def _texts(self, token_MT: np.ndarray, num_texts: int) -> list[list[str]]:
        ends = set(self.policy.eos_ids)
        rows = [row[: next((t for t, token in enumerate(row) if token in ends), len(row))] for row in token_MT.tolist()]
        texts = [self.policy.decode(row) for row in rows]
        return [texts[n * self.num_replies : (n + 1) * self.num_replies] for n in range(num_texts)]


def draw(logits_MV: Float[Tensor, "M V"], uniform_M: Float[Tensor, "M"], sampling: Sampling) -> Int[Tensor, "M"]:
    """Sample a token for each row from the top-p nucleus, by inverse transform of the given uniforms."""
    p_MV, order_MV = (logits_MV.double() / sampling.temperature).softmax(-1).sort(dim=-1, descending=True, stable=True)
    below_MV = p_MV.cumsum(-1)
    p_MV = p_MV.where(below_MV - p_MV < sampling.top_p, 0.0)
    below_MV = p_MV.cumsum(-1)
    place_M = (below_MV <= uniform_M[:, None] * below_MV[:, -1:]).sum(-1).clamp(max=p_MV.shape[1] - 1)
    return order_MV.gather(1, place_M[:, None])[:, 0]
