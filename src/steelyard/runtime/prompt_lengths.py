"""How long prompts are in tokens, and a task without those that leave no room for a completion."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from steelyard.core import Prompt, SteelyardError, require
from steelyard.core.json import JsonObject
from steelyard.policy import Policy
from steelyard.runtime.run import Run

_CHUNK = 4096  # prompts that are tokenised at a time
_HINT = "take a model whose tokenizer knows the task's characters"


def tokens_of(policy: Policy, prompt: Prompt) -> list[int]:
    """The tokens of a prompt.

    Raises:
        SteelyardError: the model's tokenizer cannot read it, or its chat template refuses it.
    """
    try:
        tokens = policy.encode(prompt.text)
    except SteelyardError as error:
        raise SteelyardError(error.what, where=named(prompt), hint=error.hint) from error
    except Exception as error:  # tokenizers raises a bare Exception where a text has no tokens
        if type(error) is not Exception:
            raise
        what = f"the model's tokenizer cannot read {_short(prompt)}{_at(prompt)} ({error})"
        raise SteelyardError(what, where="--model", hint=_HINT) from error
    known = isinstance(prompt.text, list) or bool(policy.decode(tokens).strip()) or not prompt.text.strip()
    known = known or policy.tokenizer.decode(tokens).endswith(str(prompt.text).strip())  # special tokens alone
    what = f"the model's tokenizer knows nothing of {_short(prompt)}{_at(prompt)}"
    require(known, what, where="--model", hint=_HINT)
    return tokens


class Lengths(NamedTuple):
    """What was found by tokenising prompts."""

    tokens: list[int]
    """The number of tokens of each."""
    unknown: int
    """Prompts with characters that the tokenizer does not know: the model does not see these."""


def lengths_of(policy: Policy, prompts: Sequence[Prompt]) -> list[int]:
    """The number of tokens of each prompt; see `read_lengths`."""
    return read_lengths(policy, prompts).tokens


def read_lengths(policy: Policy, prompts: Sequence[Prompt]) -> Lengths:
    """Tokenise every prompt.

    Raises:
        SteelyardError: as for `tokens_of`, of the first that cannot be read.
    """
    speaks = cache(lambda token: bool(policy.decode([token]).strip()))
    unknown = unknown_token(policy.tokenizer)
    dropped = 0
    lengths: list[int] = []
    for first in range(0, len(prompts), _CHUNK):
        some = prompts[first : first + _CHUNK]
        for prompt, tokens in zip(some, _encoded(policy, some), strict=True):
            if not any(map(speaks, tokens)):
                tokens_of(policy, prompt)  # which says what is wrong, if anything is
            lengths.append(len(tokens))
            dropped += unknown in tokens
    return Lengths(lengths, dropped)


def unknown_token(tokenizer: Any) -> int | None:
    """The token that stands for what a tokenizer does not know; None where it knows everything."""
    inner = getattr(tokenizer, "backend_tokenizer", None)
    # of a fast tokenizer its inner one decides: that of GPT-2 names a token for the unknown, and knows every byte
    name = getattr(tokenizer, "unk_token", None) if inner is None else getattr(inner.model, "unk_token", None)
    if not isinstance(name, str):
        return None
    return tokenizer.get_vocab().get(name)


def _encoded(policy: Policy, prompts: Sequence[Prompt]) -> list[list[int]]:
    try:
        return policy.encode_all([prompt.text for prompt in prompts])
    except SteelyardError:
        pass
    except Exception as error:  # as in `tokens_of`
        if type(error) is not Exception:
            raise
    return [tokens_of(policy, prompt) for prompt in prompts]  # which names the prompt


def named(prompt: Prompt) -> str:
    """A prompt in a message: its file and row, or else its text, cut short."""
    return prompt.place or f"prompt {_short(prompt)}"


def _short(prompt: Prompt) -> str:
    text = str(prompt.text)
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def _at(prompt: Prompt) -> str:
    return f" ({prompt.place})" if prompt.place else ""


def check_lengths(run: Run, policy: Policy, prompts: Sequence[Prompt]) -> Lengths:
    """The lengths of the prompts (tokens).

    Raises:
        SteelyardError: one is longer than the run allows, or than the model's context leaves room for.
    """
    lengths = read_lengths(policy, prompts)
    most = _most(run, policy)
    over = [(prompt, length) for prompt, length in zip(prompts, lengths.tokens, strict=True) if length > most]
    if over:
        prompt, length = over[0]
        limit = f"the model's context of {policy.context_length}"
        what = f"{length} tokens and {run.max_completion_length} to generate exceed {limit}"
        mend = "lower --max-completion-length"
        if length + run.max_completion_length <= policy.context_length:
            what = f"{length} tokens exceed --max-prompt-length, which is {run.max_prompt_length}"
            mend = "raise it"
        count = f"all {len(over)} such prompts" if len(over) > 1 else "the prompt"
        hint = f"{mend}, or leave {count} out with --filter-overlong-prompts"
        raise SteelyardError(what, where=named(prompt), hint=hint)
    return lengths


def _most(run: Run, policy: Policy) -> int:
    """Tokens that a prompt may have."""
    room = policy.context_length - run.max_completion_length
    return room if run.max_prompt_length is None else min(room, run.max_prompt_length)


class Fitting:
    """A task without its overlong prompts; whatever else the task can do, this can."""

    def __init__(self, task: Any, policy: Policy, most: int) -> None:
        self.task = task
        self._policy = policy
        self._most = most
        self._kept: dict[str, tuple[Prompt, ...]] = {}

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The prompts of a split that have at most so many tokens.

        Raises:
            SteelyardError: there are none.
        """
        if split not in self._kept:
            every = self.task.prompts(split)
            lengths = lengths_of(self._policy, every)
            kept = tuple(prompt for prompt, length in zip(every, lengths, strict=True) if length <= self._most)
            hint = "raise --max-prompt-length, lower --max-completion-length, or shorten the prompts"
            require(bool(kept), f"no prompt of {split} has {self._most} tokens or fewer", where="task", hint=hint)
            self._kept[split] = kept
        return self._kept[split]

    @property
    def notes(self) -> Mapping[str, int]:
        """What the task left out, and how many prompts were too long."""
        splits = ("train", "held-out")
        over = sum(len(self.task.prompts(split)) - len(self.prompts(split)) for split in splits)
        return {**notes_of(self.task), **({f"prompts of more than {self._most} tokens left out": over} if over else {})}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)


def without_overlong(task: Any, run: Run, policy: Policy) -> Any:
    """The task without its overlong prompts, where the run leaves them out."""
    return Fitting(task, policy, _most(run, policy)) if run.filter_overlong_prompts else task


def notes_of(task: object) -> Mapping[str, int]:
    """What was merged or left out of a task's data -> how many rows or prompts; empty where nothing was."""
    return getattr(task, "notes", {})


def described(task: Any) -> JsonObject:
    """The task's prompts in numbers, and what was merged or left out of its data."""
    splits = {"train": len(task.prompts("train")), "held_out": len(task.prompts("held-out"))}
    domains = {str(domain): number for domain, number in getattr(task, "domains", {}).items()}
    return {**splits, "notes": dict(notes_of(task)), "domains": domains}
