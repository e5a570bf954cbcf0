r"""What ends a completion: the model's end tokens, stop strings, and its bound.

    end of a completion = the first t at which  token t is an end token,  or
                          text(tokens 1 ... t) contains a stop string,  or  t = max_tokens

A stop string may begin inside one token and end inside another. The text is that of all tokens so far, decoded together
and without special tokens, so a character of several bytes counts when its last byte is there. The tokens up to the one
that completes the string stay in the trajectory and are trained on; the text that is handed on ends before the string.
A stop string that is one special token of the model, such as <|im_end|>, is an end token.

Few tokens can complete a stop string: those whose text begins with an end of it, or holds it whole. Which ones is
worked out once for each token that is drawn; the text is decoded for these alone.
Shapes: N rows, V vocabulary.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int64

from steelyard.core import Sampling, Trajectory, require
from steelyard.core.json import JsonObject
from steelyard.core.trajectory import Finish
from steelyard.policy import Policy

By = str | None
"""How a completion ended: at its bound (None), by an end token (""), or by this stop string."""
PLAIN, ENDS, MAY_COMPLETE, UNSEEN = range(4)
"""Kinds of tokens."""
BROKEN = "\ufffd"
"""Stands in a text for bytes that are no whole character."""


class Endings:
    """What ends the completions of a policy.

    Args:
        policy: whose tokens they are.
        stop: the stop strings.

    Raises:
        SteelyardError: a stop string is empty, or the tokenizer cannot write it.
    """

    def __init__(self, policy: Policy, stop: Sequence[str] = ()) -> None:
        special = {text: special_token(policy, text) for text in stop}
        self.strings = tuple(text for text, token in special.items() if token is None)
        for text in self.strings:
            check_stop(policy, text)
        named = {token for token in special.values() if token is not None}
        self.ids = tuple(sorted({*policy.eos_ids, *named}))
        """The end tokens."""
        self.tokens = torch.tensor(self.ids, dtype=torch.long, device=policy.device)
        """Likewise, where the policy is."""
        self._decode = policy.decode
        self._kind_V = np.full(policy.vocab_size, UNSEEN if self.strings else PLAIN, np.int8)
        self._kind_V[[*self.ids]] = ENDS

    def ended(
        self,
        token_N: Int64[np.ndarray, "N"],
        full_N: Bool[np.ndarray, "N"],
        tokens_of: Callable[[int], Sequence[int]],
        drawn_N: Bool[np.ndarray, "N"] | None = None,
    ) -> tuple[Int64[np.ndarray, "E"], list[By]]:
        """The rows that end by their newest token, and how each does.

        Args:
            token_N: the newest token of each row.
            full_N: rows that have come to their bound.
            tokens_of: the completion of a row so far, its newest token included.
            drawn_N: rows whose token was drawn; one that was given ends nothing. None for all.
        """
        kind_N = self.kinds(token_N)
        if drawn_N is not None:
            kind_N = np.where(drawn_N, kind_N, PLAIN)
        by_token_N = kind_N == ENDS
        completed: dict[int, str] = {}
        for row in np.flatnonzero(kind_N == MAY_COMPLETE).tolist():
            if (text := self.completed(tokens_of(row))) is not None:
                completed[row] = text
        ends_N = by_token_N | full_N
        ends_N[[*completed]] = True
        rows = np.flatnonzero(ends_N)
        return rows, [completed.get(row, "" if by_token_N[row] else None) for row in rows.tolist()]

    def kinds(self, tokens: np.ndarray) -> np.ndarray:
        """The kind of each token, in the same shape: `PLAIN`, `ENDS` or `MAY_COMPLETE`."""
        kinds = self._kind_V[tokens]
        if self.strings and (kinds == UNSEEN).any():
            for token in set(tokens[kinds == UNSEEN].tolist()):
                self._kind_V[token] = MAY_COMPLETE if self._may_complete(token) else PLAIN
            kinds = self._kind_V[tokens]
        return kinds

    def completed(self, tokens: Sequence[int]) -> str | None:
        """The stop string that stands first in the text of a completion; None where there is none."""
        text = self._decode(tokens)
        found = [(text.index(string), i) for i, string in enumerate(self.strings) if string in text]
        return self.strings[min(found)[1]] if found else None

    def _may_complete(self, token: int) -> bool:
        """Whether a text can contain a stop string with this token that it did not contain without it."""
        alone = self._decode([token])
        twice = self._decode([token, token])  # what it adds behind another token: a space in front of it, perhaps
        added = {alone, twice.removeprefix(alone)}
        broken = BROKEN in twice
        return any(
            (broken and not string.isascii()) or any(string in text or _begins(text, string) for text in added)
            for string in self.strings
        )


def _begins(text: str, string: str) -> bool:
    """Whether a text begins with an end of the string."""
    return any(text.startswith(string[-length:]) for length in range(1, min(len(text), len(string)) + 1))


def special_token(policy: Policy, text: str) -> int | None:
    """The special token whose text this is; None where there is none."""
    token = policy.tokenizer.get_vocab().get(text)
    return None if token is None or policy.decode([token]) else token


def check_stop(policy: Policy, text: str) -> None:
    """Refuse a stop string that no completion can contain.

    Raises:
        SteelyardError: it is empty, holds U+FFFD, or the tokenizer cannot write it.
    """
    hint = "write what the model can write, here or where the task says it, or leave it out"
    require(bool(text), "is empty, and every text contains that", where="--stop", hint="leave it out")
    what = f"{text!r} holds the mark of bytes that are no character"
    require(BROKEN not in text, what, where="--stop", hint=hint)
    able = any(text in _written(policy, whole) for whole in (text, f"a{text}"))  # some drop a space at the beginning
    require(able, f"the model's tokenizer cannot write {text!r}", where="--stop", hint=hint)


def _written(policy: Policy, text: str) -> str:
    """A text as the tokenizer reads and writes it; empty where it cannot read it."""
    try:
        return policy.decode(policy.tokenizer.encode(text, add_special_tokens=False))
    except Exception as error:  # tokenizers raises a bare Exception where a text has no tokens
        if type(error) is not Exception:
            raise
        return ""


def described(policy: Policy, sampling: Sampling) -> JsonObject:
    """What ends a completion, to be read in a plan: texts of end tokens, stop strings, and most tokens.

    `never` are stop strings that hold another one, which ends a completion before them.

    Raises:
        SteelyardError: a stop string is empty, or the tokenizer cannot write it.
    """
    endings = Endings(policy, sampling.stop)
    strings = endings.strings
    return {
        "tokens": [policy.tokenizer.decode([token], skip_special_tokens=False) for token in endings.ids],
        "stop": [*strings],
        "never": [text for text in strings if any(other != text and other in text for other in strings)],
        "max_tokens": sampling.max_tokens,
    }


def finish_of(by: By) -> Finish:
    """How a trajectory that ended so finished."""
    return "length" if by is None else "stop"


def info_of(by: By) -> dict[str, str]:
    """What the `info` of a trajectory that ended so says of it."""
    return {"stop": by} if by else {}


def ended_by(trajectory: Trajectory, policy: Policy) -> str:
    """What ended a trajectory, to be read: its stop string, the text of its end token, "length" or "error"."""
    if trajectory.finish != "stop":
        return trajectory.finish
    last = [int(trajectory.tokens_T[-1])]
    return str(trajectory.info.get("stop") or policy.tokenizer.decode(last, skip_special_tokens=False))
