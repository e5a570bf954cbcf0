"""Text to tokens and back, by the tokenizer that came with the model.

Plain text gets the special tokens that the tokenizer puts in front by default (such as <bos>) and none behind: an
end-of-sequence token that the tokenizer appends is taken off. A text that brings these tokens itself, because it went
through a chat template before, does not get them twice.

Chat messages go through the tokenizer's template, with the turn handed to the model. A last message of the assistant is
a prefill: its turn stays open, and the model goes on in it.
"""

import json
from collections.abc import Collection, Sequence
from typing import Protocol, runtime_checkable

from steelyard.core import SteelyardError, require
from steelyard.core.json import JsonMapping, JsonObject, check_keys

Message = dict[str, str]
Text = str | list[Message]
Options = JsonMapping
"""Arguments of the chat template, such as {"enable_thinking": False}."""
TAKEN = frozenset(
    [
        "conversation",
        "messages",
        "chat_template",
        "add_generation_prompt",
        "continue_final_message",
        "tokenize",
        "padding",
        "truncation",
        "max_length",
        "return_tensors",
        "return_dict",
        "return_assistant_tokens_mask",
        "tokenizer_kwargs",
        "bos_token",
        "eos_token",
    ]
)
"""Arguments that are not the template's, or that are set here."""
_OPTIONS = """write a JSON object such as '{"enable_thinking": false}'"""
_FRONT = 4  # special tokens that a tokenizer may put in front of a text
_NONE: Options = {}


@runtime_checkable
class Tokenizer(Protocol):
    """What is asked of a model's tokenizer, by the names of transformers."""

    chat_template: str | None

    def encode(self, text: str, /, *, add_special_tokens: bool = True) -> list[int]:
        """Tokens of a text."""
        ...

    def decode(
        self, tokens: list[int], /, *, skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool = False
    ) -> str:
        """The text of tokens."""
        ...

    def apply_chat_template(self, messages: list[Message], /, **options: object) -> str:
        """Chat messages rendered by the template."""
        ...

    def get_vocab(self) -> dict[str, int]:
        """Every token and its id."""
        ...

    def add_tokens(self, tokens: list[str], /, *, special_tokens: bool) -> int:
        """Give new tokens an id; returns how many were new."""
        ...


def read_options(written: str) -> JsonObject:
    """The arguments of a chat template, from the JSON of `--chat-template-kwargs`.

    Raises:
        SteelyardError: they are no JSON object, or one is not the template's.
    """
    where = "--chat-template-kwargs"
    try:
        options = json.loads(written)
        check_keys(written, where)
    except ValueError as error:
        raise SteelyardError(f"it is not JSON: {error}", where=where, hint=_OPTIONS) from error
    require(isinstance(options, dict), "it is not a JSON object", where=where, hint=_OPTIONS)
    taken = sorted(TAKEN & options.keys())
    require(not taken, f"{', '.join(taken)} cannot be set", where=where, hint="leave it out")
    return options


def encode(tokenizer: Tokenizer, text: Text, eos_ids: Collection[int], options: Options = _NONE) -> list[int]:
    """Tokens of a prompt, ready to be continued.

    Args:
        tokenizer: the model's.
        text: plain text, or chat messages.
        eos_ids: tokens that end a completion.
        options: arguments of the chat template.

    Raises:
        SteelyardError: messages without a chat template, or messages that the template refuses.
    """
    if not isinstance(text, str):
        return tokenizer.encode(_rendered(tokenizer, text, options), add_special_tokens=False)
    return _open(tokenizer, text, tokenizer.encode(text), eos_ids)


def encode_all(
    tokenizer: Tokenizer, texts: Sequence[Text], eos_ids: Collection[int], options: Options = _NONE
) -> list[list[int]]:
    """Tokens of many prompts: what `encode` gives for each, faster.

    Raises:
        SteelyardError: as for `encode`, of any of them.
    """
    plain = [i for i, text in enumerate(texts) if isinstance(text, str)]
    chats = [i for i, text in enumerate(texts) if not isinstance(text, str)]
    rendered = [_rendered(tokenizer, texts[i], options) for i in chats]  # pyright: ignore[reportArgumentType]
    found: dict[int, list[int]] = dict(zip(chats, _batch(tokenizer, rendered, special=False), strict=True))
    begun = _batch(tokenizer, [str(texts[i]) for i in plain], special=True)
    found |= {i: _open(tokenizer, str(texts[i]), tokens, eos_ids) for i, tokens in zip(plain, begun, strict=True)}
    return [found[i] for i in range(len(texts))]


def _batch(tokenizer: Tokenizer, texts: list[str], *, special: bool) -> list[list[int]]:
    inner = getattr(tokenizer, "backend_tokenizer", None)
    if inner is not None and len(texts) > 1:
        rows = [row.ids for row in inner.encode_batch_fast(texts, add_special_tokens=special)]
        if rows[0] == tokenizer.encode(texts[0], add_special_tokens=special):
            return rows
    # a tokenizer in Python, or one whose Python part does more than its inner one
    return [tokenizer.encode(text, add_special_tokens=special) for text in texts]


def _open(tokenizer: Tokenizer, text: str, tokens: list[int], eos_ids: Collection[int]) -> list[int]:
    """The tokens without an end that the tokenizer appended, and without a beginning that the text brought itself."""
    ended = bool(tokens) and tokens[-1] in eos_ids and tokens != [getattr(tokenizer, "bos_token_id", None)]
    twice = _repeated(tokens)
    if twice and not text.startswith(tokenizer.decode(tokens[:twice], skip_special_tokens=False).strip() or "\0"):
        twice = 0  # the same token twice at its start, as where the tokenizer knows neither character
    if not ended and not twice:
        return tokens
    bare = tokenizer.encode(text, add_special_tokens=False)
    if ended and (not bare or tokens[-len(bare) :] != bare):
        tokens = tokens[:-1]
    return bare if twice and tokens[twice:] == bare else tokens


def _repeated(tokens: list[int]) -> int:
    """How many first tokens are there twice; 0 for none."""
    for n in range(1, _FRONT):
        if tokens[:n] == tokens[n : 2 * n]:
            return min(n, len(tokens))
    return 0


def _rendered(tokenizer: Tokenizer, messages: list[Message], options: Options) -> str:
    """Chat messages as text, with the turn handed to the model."""
    from jinja2 import TemplateError

    if tokenizer.chat_template is None:
        raise SteelyardError(
            "the model's tokenizer has no chat template",
            where="prompt",
            hint="write the prompt as plain text, or take a model tuned for chat",
        )
    try:
        return _render(tokenizer, messages, options)
    except (TemplateError, TypeError, ValueError, LookupError) as error:  # the last three: of a template's own code
        said = " ".join(str(error).split()) or type(error).__name__
        raise SteelyardError(
            f"the chat template refuses the messages ({said})",
            where="prompt",
            hint="give the roles that the model was tuned for, in their order",
        ) from error


def _render(tokenizer: Tokenizer, messages: list[Message], options: Options) -> str:
    prefill = is_prefill(messages)
    turn = {"continue_final_message": True} if prefill else {"add_generation_prompt": True}
    return tokenizer.apply_chat_template(messages, tokenize=False, **turn, **options)


def is_prefill(messages: Sequence[Message]) -> bool:
    """True where the last message is the assistant's: the model goes on in it."""
    return bool(messages) and messages[-1]["role"] == "assistant"


def with_turn(messages: list[Message], said: str) -> list[Message]:
    """The messages and what the model said; where they end in a prefill, it said that too."""
    if not is_prefill(messages):
        return [*messages, {"role": "assistant", "content": said}]
    last = messages[-1]
    return [*messages[:-1], {**last, "content": last["content"] + said}]


def decode(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    """The text of tokens, without special tokens; ids that the tokenizer does not know say nothing."""
    return tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)


# Turns after the first

MARK = "STEELYARD-TURN"
"""Stands for the policy's turn where a template is asked what follows one."""


def encode_next(
    tokenizer: Tokenizer,
    messages: list[Message] | None,
    observation: str | list[Message],
    last: int,
    eos_ids: Collection[int],
    options: Options = _NONE,
) -> list[int]:
    """Tokens that follow a turn of the policy: the observation, and in a chat what the template puts around it.

    Nothing that stands before is tokenised again. An end-of-turn token that the policy has sampled is not repeated.

    Args:
        tokenizer: the model's.
        messages: the chat before the policy's turn; None where the prompt is plain text.
        observation: what the policy is told; in a chat a text is the message of a user.
        last: the token that ended the turn.
        eos_ids: tokens that end a turn.
        options: arguments of the chat template.

    Raises:
        SteelyardError: messages for a prompt of plain text, or a template that rewrites what was said.
    """
    if messages is None:
        if not isinstance(observation, str):
            what = "the prompt is plain text, and the observation is chat messages"
            raise SteelyardError(what, where="environment", hint="give text in both, or messages in both")
        return _following(tokenizer, observation, last)
    after = _after_turn(tokenizer, messages, as_messages(observation), options)
    said = (last, *eos_ids) if last in eos_ids else ()  # a stop string ends a turn before its end-of-turn token
    ends = [tokenizer.decode([token], skip_special_tokens=False) for token in said]
    end = next((end for end in ends if end and after.startswith(end)), "")
    return _following(tokenizer, after[len(end) :], last)


def turn_end(tokenizer: Tokenizer, options: Options = _NONE) -> int | None:
    """The special token with which the chat template ends a turn of the assistant, such as <|im_end|>.

    None where there is no template, where it ends a turn with plain text or refuses a chat of two messages.

    Args:
        tokenizer: the model's.
        options: arguments of the chat template.
    """
    if tokenizer.chat_template is None:
        return None
    from jinja2 import TemplateError

    messages = [*as_messages("one"), {"role": "assistant", "content": MARK}]
    try:
        whole = tokenizer.apply_chat_template(messages, tokenize=False, **options)
    except (TemplateError, TypeError, ValueError, LookupError):  # it says why when it is given the prompts
        return None
    after = whole.rpartition(MARK)[2].lstrip() if MARK in whole else ""
    first = tokenizer.encode(after, add_special_tokens=False)[:1]
    written = tokenizer.decode(first, skip_special_tokens=False)
    return first[0] if written and after.startswith(written) and not decode(tokenizer, first) else None


def as_messages(observation: str | list[Message]) -> list[Message]:
    """Chat messages; a text is the message of a user."""
    return [{"role": "user", "content": observation}] if isinstance(observation, str) else observation


def _following(tokenizer: Tokenizer, text: str, last: int) -> list[int]:
    """Tokens of a text as they stand after the token `last`: some tokenizers treat the start of a text differently."""
    end = tokenizer.decode([last], skip_special_tokens=False)
    anchored = tokenizer.encode(end + text, add_special_tokens=False)
    if anchored[:1] == [last]:
        return anchored[1:]
    return tokenizer.encode(text, add_special_tokens=False)


def _after_turn(tokenizer: Tokenizer, messages: list[Message], observation: list[Message], options: Options) -> str:
    """The text from the end of the policy's turn to the beginning of its next one."""
    begun = _render(tokenizer, messages, options)
    whole = _render(tokenizer, [*with_turn(messages, MARK), *observation], options)
    _check_prefix(begun, MARK, whole, "chat template")
    return whole[whole.index(MARK, len(begun)) + len(MARK) :]


def check_template(tokenizer: Tokenizer, name: str, options: Options = _NONE) -> None:
    """Refuse a chat template whose text so far is not a prefix of its text one turn later.

    Such a template rewrites what the policy has read and said, for example strips the reasoning from earlier turns: the
    tokens of an episode would not be those that the template stands for.

    Args:
        tokenizer: the model's.
        name: what to call the model in the error.
        options: arguments of the chat template.

    Raises:
        SteelyardError: the template rewrites earlier turns, or there is none.
    """
    for reasoning in ("", "<think>\nwhy\n</think>\n\n"):
        messages = as_messages("one")
        for number in ("two", "three"):
            answer = f"{reasoning}answer"
            begun = _rendered(tokenizer, messages, options)
            messages = [*messages, {"role": "assistant", "content": answer}, *as_messages(number)]
            _check_prefix(begun, answer, _rendered(tokenizer, messages, options), f"chat template of {name}")


def check_tools(tokenizer: Tokenizer, name: str, options: Options) -> None:
    """Refuse a chat template that does not show the tools that it is given, or renders nothing of what a tool said.

    Args:
        tokenizer: the model's.
        name: what to call the model in the error.
        options: arguments of the chat template, tools among them.

    Raises:
        SteelyardError: it is such a template, or there is none.
    """
    hint = "take a model that was tuned to call tools"
    asked = as_messages("one")
    bare = {key: value for key, value in options.items() if key != "tools"}
    shown = _rendered(tokenizer, asked, options) != _rendered(tokenizer, asked, bare)
    require(shown, "it shows no tools", where=f"chat template of {name}", hint=hint)
    answer: list[Message] = [{"role": "assistant", "content": "two"}, {"role": "tool", "name": "t", "content": MARK}]
    said = MARK in _rendered(tokenizer, [*asked, *answer], options)
    require(said, "it leaves out what a tool said", where=f"chat template of {name}", hint=hint)


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
