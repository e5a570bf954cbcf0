"""What every engine does with requests: refuse what cannot be generated, and draw their uniforms."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64

from steelyard.core import Request, Sampling, require, uniforms
from steelyard.rollout.sampling import check


def check_requests(requests: Iterable[Request], sampling: Sampling, context: int) -> None:
    """Refuse what no engine can do.

    Raises:
        SteelyardError: sampling settings out of range, an empty prompt, or one too long for a context of so many.
    """
    check(sampling)
    for request in requests:
        length = len(request.tokens)
        where = f"prompt {request.prompt_id}"
        require(length > 0, "it has no tokens", where=where, hint="give the model at least one token to continue")
        require(
            length + sampling.max_tokens <= context,
            f"{length} tokens and {sampling.max_tokens} to generate exceed the model's context of {context}",
            where=where,
            hint="shorten the prompt or lower max_tokens",
        )


def uniforms_of(seed: int, requests: Iterable[Request], steps: int) -> Float64[np.ndarray, "N S"]:
    """What the tokens of each request are drawn with, in [0, 1): a function of its address alone."""
    return uniforms(seed, (request.address for request in requests), steps)
