"""A judge for builders: a function `f(prompts, completions) -> list[float | None]` in a process that can be killed.

It is named as a reward function is, `module:function` or `path/to/file.py:function`, and runs under the same limits. A
builder may hand it columns of its rows besides, as lists: then a reward function `f(prompts, completions, **columns)`
is a judge. Where a prompt is chat messages, so is its completion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from steelyard.core import FaultError, Positive, SteelyardError, checked, require
from steelyard.policy.text import Text
from steelyard.reward.pool import Closable, Memory, Pool
from steelyard.reward.score import number_of


@checked("judge")
@dataclass(frozen=True)
class FunctionJudge(Closable):
    """A named function that rates completions."""

    name: str
    """module:function or path/to/file.py:function."""
    timeout_s: Positive = 60.0
    """Deadline of one call (seconds)."""
    memory_mb: Memory = 8192
    """What the child process may allocate (MB)."""

    def __post_init__(self) -> None:
        place, _, function = self.name.rpartition(":")
        hint = "write module:function or path/to/file.py:function"
        named = bool(place) and function.isidentifier()
        require(named, f"{self.name!r} names no function", where="--judge", hint=hint)

    @cached_property
    def _pool(self) -> Pool:
        return Pool(self.name, memory_mb=self.memory_mb)

    def __call__(
        self, prompts: Sequence[Text], completions: Sequence[str], **columns: Sequence[object]
    ) -> list[float | None]:
        """A number for each completion; None where it cannot tell.

        Raises:
            SteelyardError: the function cannot be loaded or called so, or returns no list of as many numbers.
            FaultError: it failed on this call: it raised, ran too long, or died.
        """
        if not completions:
            return []
        return self._numbers(self.asked(prompts, completions, columns), len(completions))

    def asked(
        self, prompts: Sequence[Text], completions: Sequence[str], columns: Mapping[str, Sequence[object]]
    ) -> object:
        """What the function returns.

        Raises:
            SteelyardError: it cannot be loaded or called so.
            FaultError: it failed on this call: it raised, ran too long, or died.
        """
        said = [
            completion if isinstance(prompt, str) else [{"role": "assistant", "content": completion}]
            for prompt, completion in zip(prompts, completions, strict=True)
        ]
        arguments = {"prompts": list(prompts), "completions": said, **{name: list(of) for name, of in columns.items()}}
        reply = self._pool.call(arguments, timeout_s=self.timeout_s)
        if reply.mistake is not None:
            hint = "declare it as f(prompts, completions, **columns)"
            raise SteelyardError(reply.mistake, where=f"judge {self.name}", hint=hint)
        if reply.error is not None:
            hint = "mend the function, and go on with --resume"
            raise FaultError(f"it failed ({reply.error})", where=f"judge {self.name}", hint=hint)
        return reply.value

    def _numbers(self, value: object, expected: int) -> list[float | None]:
        said: list[object] = value if isinstance(value, list) else []
        found = [number_of(one) for one in said]
        told = isinstance(value, list) and len(found) == expected
        told = told and all(one is None or number is not None for one, number in zip(said, found, strict=True))
        hint = f"return a list of {expected} numbers, with None where it cannot tell"
        require(told, f"it returned {value!r:.80}", where=f"judge {self.name}", hint=hint)
        return found

    def close(self) -> None:
        """End the child process, if there is one."""
        if "_pool" in vars(self):
            self._pool.close()
