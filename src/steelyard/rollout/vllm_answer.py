"""What a vLLM server says of one completion: tokens, their log-probabilities, and which weights drew them."""

from itertools import pairwise

import msgspec
import numpy as np
from jaxtyping import Float32, Int32

from steelyard.core import FaultError, require
from steelyard.core.json import JsonObject
from steelyard.rollout.endings import ENDS, MAY_COMPLETE, PLAIN, By, Endings
from steelyard.rollout.vllm_client import ServerRefusesError

NO_NUMBER = -9999.0
"""What vLLM says in place of a log-probability that is no number."""
WHERE = "vLLM server"


class Span(msgspec.Struct):
    """Tokens from `start` up to `end` were drawn by weights of this label."""

    version: str
    start: int
    end: int


class DrawnToken(msgspec.Struct):
    """A token, and its log-probability (nats) under the distribution that it was drawn from."""

    token_id: int
    logprob: float


class DrawnTokens(msgspec.Struct):
    """All of a completion."""

    content: list[DrawnToken]


class Completion(msgspec.Struct):
    """A completion, with the reason for its end: stop, length, or abort."""

    token_ids: list[int]
    logprobs: DrawnTokens
    weight_versions: list[Span]
    finish_reason: str


class _Answer(msgspec.Struct):
    choices: list[Completion]


def completion_in(answer: JsonObject) -> Completion:
    """The one completion of an answer.

    Raises:
        ServerRefusesError: the answer is of another form.
    """
    try:
        choices = msgspec.convert(answer, _Answer).choices
    except msgspec.ValidationError as error:
        raise ServerRefusesError(f"a completion is not as vLLM writes it ({error})") from error
    if len(choices) != 1 or [d.token_id for d in choices[0].logprobs.content] != choices[0].token_ids:
        raise ServerRefusesError("a completion has not one log-probability for each of its tokens")
    return choices[0]


def drawn(found: Completion) -> tuple[Int32[np.ndarray, "S"], Float32[np.ndarray, "S"]]:
    """Tokens and log-probabilities.

    Raises:
        SteelyardError: one is no number, or none at all.
    """
    logp_S = np.array([d.logprob for d in found.logprobs.content], np.float32)
    what = "the model's logits are not finite"
    hint = "look at the model, --learning-rate and --temperature"
    require(bool((logp_S > NO_NUMBER).all()), what, where="engine", hint=hint)
    return np.array(found.token_ids, np.int32), logp_S


def check_label(found: Completion, label: str) -> None:
    """Refuse tokens that other weights drew.

    Raises:
        FaultError: the server names another label for one, or none.
    """
    spans = found.weight_versions
    covered = bool(spans) and spans[0].start == 0 and spans[-1].end == len(found.token_ids)
    covered = covered and all(a.end == b.start for a, b in pairwise(spans))
    named = sorted({span.version for span in spans})
    if not covered or named != [label]:
        what = f"its tokens were drawn by weights {' and '.join(map(repr, named)) or '(none named)'}, not by {label!r}"
        raise FaultError(what, where=WHERE, hint="see that nobody else gives it weights, and that it was not restarted")


def first_end(endings: Endings, tokens_S: Int32[np.ndarray, "S"]) -> tuple[int, By]:
    """How many of the tokens there are up to what ends the completion, and what that is; None where nothing does."""
    kinds_S = endings.kinds(tokens_S)
    for place in np.flatnonzero(kinds_S != PLAIN).tolist():
        if kinds_S[place] == ENDS:
            return place + 1, ""
        assert kinds_S[place] == MAY_COMPLETE
        if (text := endings.completed(tokens_S[: place + 1].tolist())) is not None:
            return place + 1, text
    return len(tokens_S), None
