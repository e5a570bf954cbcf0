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
