"""Text to tokens and back, by the tokenizer that came with the model."""

from collections.abc import Collection, Sequence
from typing import Any

from steelyard.core import SteelyardError


def encode(tokenizer: Any, text: str | list[dict[str, str]], eos_ids: Collection[int]) -> list[int]:
    """Tokens of a prompt, ready to be continued.

    Plain text gets the special tokens the tokenizer puts in front by default (such as <bos>) and none behind: an
    end-of-sequence token that the tokenizer appends is taken off. Chat messages go through the tokenizer's template,
    with the turn handed to the model.

    Raises:
        SteelyardError: messages without a chat template, or messages that the template refuses.
    """
    if not isinstance(text, str):
        return _chat(tokenizer, text)
    tokens = tokenizer.encode(text)
    if tokens and tokens[-1] in eos_ids and tokens != [tokenizer.bos_token_id]:
        bare = tokenizer.encode(text, add_special_tokens=False)
        if not bare or tokens[-len(bare) :] != bare:
            return tokens[:-1]
    return tokens


def _chat(tokenizer: Any, messages: list[dict[str, str]]) -> list[int]:
    from jinja2 import TemplateError

    if tokenizer.chat_template is None:
        raise SteelyardError(
            "the model's tokenizer has no chat template",
            where="prompt",
            hint="write the prompt as plain text, or take a model tuned for chat",
        )
    try:
        return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
    except TemplateError as error:
        raise SteelyardError(
            f"the chat template refuses the messages ({error})",
            where="prompt",
            hint="give the roles that the model was tuned for, in their order",
        ) from error


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """The text of tokens, without special tokens; ids that the tokenizer does not know say nothing."""
    return tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)


# Turns after the first

MARK = "STEELYARD-TURN"
"""Stands for the policy's turn where a template is asked what follows one."""
Message = dict[str, str]


def encode_next(
    tokenizer: Any,
    messages: list[Message] | None,
    observation: str | list[Message],
    last: int,
    eos_ids: Collection[int],
) -> list[int]:
    """Tokens that follow a turn of the policy: the observation, and in a chat what the template puts around it.

    Nothing that stands before is tokenised again. An end-of-turn token that the policy has sampled is not repeated.

    Args:
        tokenizer: the model's.
        messages: the chat before the policy's turn; None where the prompt is plain text.
        observation: what the policy is told; in a chat a text is the message of a user.
        last: the token that ended the turn.
        eos_ids: tokens that end a turn.

    Raises:
        SteelyardError: messages for a prompt of plain text, or a template that rewrites what was said.
    """
    if messages is None:
        if not isinstance(observation, str):
            what = "the prompt is plain text, and the observation is chat messages"
            raise SteelyardError(what, where="environment", hint="give text in both, or messages in both")
        return _following(tokenizer, observation, last)
    after = _after_turn(tokenizer, messages, as_messages(observation))
    ends = [tokenizer.decode([token], skip_special_tokens=False) for token in (last, *eos_ids)]
    end = next((end for end in ends if end and after.startswith(end)), "")
    return _following(tokenizer, after[len(end) :], last)


def as_messages(observation: str | list[Message]) -> list[Message]:
    """Chat messages; a text is the message of a user."""
    return [{"role": "user", "content": observation}] if isinstance(observation, str) else observation


def _following(tokenizer: Any, text: str, last: int) -> list[int]:
    """Tokens of a text as they stand after the token `last`: some tokenizers treat the start of a text differently."""
    end = tokenizer.decode([last], skip_special_tokens=False)
    anchored = tokenizer.encode(end + text, add_special_tokens=False)
    if anchored[:1] == [last]:
        return anchored[1:]
    return tokenizer.encode(text, add_special_tokens=False)


def _render(tokenizer: Any, messages: list[Message]) -> str:
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


def _after_turn(tokenizer: Any, messages: list[Message], observation: list[Message]) -> str:
    """The text from the end of the policy's turn to the beginning of its next one."""
    begun = _render(tokenizer, messages)
    whole = _render(tokenizer, [*messages, {"role": "assistant", "content": MARK}, *observation])
    _check_prefix(begun, MARK, whole, "chat template")
    return whole[whole.index(MARK, len(begun)) + len(MARK) :]


def check_template(tokenizer: Any, name: str) -> None:
    """Refuse a chat template whose text so far is not a prefix of its text one turn later.

    Such a template rewrites what the policy has read and said, for example strips the reasoning from earlier turns: the
    tokens of an episode would not be those that the template stands for.

    Args:
        tokenizer: the model's.
        name: what to call the model in the error.

    Raises:
        SteelyardError: the template rewrites earlier turns, or there is none.
    """
    for reasoning in ("", "<think>\nwhy\n</think>\n\n"):
        messages = as_messages("one")
        for number in ("two", "three"):
            answer = f"{reasoning}answer"
            begun = _chat_text(tokenizer, messages)
            messages = [*messages, {"role": "assistant", "content": answer}, *as_messages(number)]
            _check_prefix(begun, answer, _chat_text(tokenizer, messages), f"chat template of {name}")


def _chat_text(tokenizer: Any, messages: list[Message]) -> str:
    _chat(tokenizer, messages)  # its errors are the clear ones
    return _render(tokenizer, messages)


def _check_prefix(begun: str, answer: str, whole: str, where: str) -> None:
    """`whole` must go on from `begun` with the answer; a template may put spaces before that."""
    if whole.startswith(begun) and whole[len(begun) :].lstrip().startswith(answer):
        return
    expected = begun + answer
    same = next((i for i, (a, b) in enumerate(zip(expected, whole, strict=False)) if a != b), len(whole))
    shown = slice(max(0, same - 20), same + 30)
    raise SteelyardError(
        f"it rewrites earlier turns: {expected[shown]!r} becomes {whole[shown]!r} one turn later",
        where=where,
        hint="use a template that keeps what was said, or a task of one turn",
    )
