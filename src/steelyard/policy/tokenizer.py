"""Reads a tokenizer from tokenizer.json by the tokenizers library alone, with the same results as transformers.

That holds only where tokenizer.json decides everything. A tokenizer class of its own (some change the beginning of a
text), a special token that tokenizer.json does not mark as special, a key of unknown meaning: each makes the result
None, and the tokenizer is left to transformers. Chat templates are always rendered by transformers.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec

from steelyard.core.json import JsonMapping
from steelyard.model.hf_config import without_attention
from steelyard.policy.native_config import known, read_json
from steelyard.policy.native_loader import CONFIG

TOKENIZER = "tokenizer.json"
SETTINGS = "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"
OTHERS = (
    "added_tokens.json",
    "special_tokens_map.json",
    "chat_template.json",
    "additional_chat_templates",
    "tokenizer.model",
    "tekken.json",
)
"""Files beside tokenizer.json that transformers would read."""
KINDS = ("llama", "qwen3")
"""Model types for which transformers uses the tokenizer class that tokenizer_config.json names."""
UNBOUNDED = int(1e30)
"""The longest text of a tokenizer that states none, as in transformers."""
NAMED = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """The known keys of tokenizer_config.json."""

    tokenizer_class: Literal["TokenizersBackend", "PreTrainedTokenizerFast"]
    backend: Literal["tokenizers"] = "tokenizers"
    bos_token: str | None = None
    eos_token: str | None = None
    unk_token: str | None = None
    pad_token: str | None = None
    sep_token: str | None = None
    cls_token: str | None = None
    mask_token: str | None = None
    chat_template: str | None = None
    model_max_length: int | None = None
    clean_up_tokenization_spaces: bool = False
    is_local: bool = True
    local_files_only: bool = True
    padding_side: Literal["left", "right"] = "right"
    truncation_side: Literal["left", "right"] = "right"
    model_input_names: list[str] | None = None


class NativeTokenizer:
    """The part of a transformers tokenizer that a policy needs, by the same names.

    Args:
        inner: the tokenizer.
        settings: the content of tokenizer_config.json.
        template: the content of chat_template.jinja, which takes precedence over the settings' own.
    """

    def __init__(self, inner: Any, settings: JsonMapping, template: str | None = None) -> None:
        self.backend_tokenizer = inner
        self._settings = settings
        self._template = template
        known_settings = msgspec.convert(settings, Settings)
        self.bos_token = known_settings.bos_token
        self.eos_token = known_settings.eos_token
        self.pad_token = known_settings.pad_token
        self.chat_template = template if template is not None else known_settings.chat_template
        longest = known_settings.model_max_length
        self.model_max_length = UNBOUNDED if longest is None else longest

    @property
    def bos_token_id(self) -> int | None:
        """The token that begins a text, or None."""
        return self._id(self.bos_token)

    @property
    def eos_token_id(self) -> int | None:
        """The token that ends a text, or None."""
        return self._id(self.eos_token)

    @property
    def pad_token_id(self) -> int | None:
        """The token that fills rows, or None."""
        return self._id(self.pad_token)

    def _id(self, token: str | None) -> int | None:
        return None if token is None else self.backend_tokenizer.token_to_id(token)

    def get_vocab(self) -> dict[str, int]:
        """Every token and its id."""
        return self.backend_tokenizer.get_vocab(with_added_tokens=True)

    def add_tokens(self, tokens: list[str], special_tokens: bool = False) -> int:
        """Give new tokens an id; returns how many were new."""
        inner = self.backend_tokenizer
        return inner.add_special_tokens(tokens) if special_tokens else inner.add_tokens(tokens)

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """Tokens of a text."""
        return self.backend_tokenizer.encode(text, add_special_tokens=add_special_tokens).ids

    def decode(
        self, tokens: Sequence[int], skip_special_tokens: bool = False, clean_up_tokenization_spaces: bool = False
    ) -> str:
        """The text of tokens."""
        assert not clean_up_tokenization_spaces
        return self.backend_tokenizer.decode(tokens, skip_special_tokens=skip_special_tokens)

    def apply_chat_template(self, messages: list[dict[str, str]], **options: Any) -> Any:
        """Chat messages rendered by the template, which imports transformers."""
        return self._outer.apply_chat_template(messages, chat_template=self.chat_template, **options)

    @cached_property
    def _outer(self) -> Any:
        from transformers import PreTrainedTokenizerFast

        named = {name: self._settings.get(name) for name in NAMED}
        return PreTrainedTokenizerFast(tokenizer_object=self.backend_tokenizer, **named)

    def save_pretrained(self, path: Path) -> None:
        """Write what `AutoTokenizer.from_pretrained` loads."""
        (path / TOKENIZER).write_text(self.backend_tokenizer.to_str(pretty=True), encoding="utf-8")
        (path / SETTINGS).write_text(json.dumps(self._settings, indent=2) + "\n", encoding="utf-8")
        (path / TEMPLATE).unlink(missing_ok=True)
        if self._template is not None:
            (path / TEMPLATE).write_text(self._template, encoding="utf-8")


def read_tokenizer(place: Path) -> NativeTokenizer | None:
    """The tokenizer in a model's directory; None where anything about it is not known here."""
    from tokenizers import Tokenizer

    config, data, settings = (read_json(place / name) for name in (CONFIG, TOKENIZER, SETTINGS))
    if any((place / name).exists() for name in OTHERS) or not isinstance(config, dict):
        return None
    config = without_attention(config)
    if config.get("model_type") not in KINDS or "tokenizer_class" in config or not known(settings, Settings):
        return None
    if not isinstance(data, dict) or not _complete(data, settings):
        return None
    try:
        template = (place / TEMPLATE).read_text(encoding="utf-8") if (place / TEMPLATE).exists() else None
        return NativeTokenizer(Tokenizer.from_file(str(place / TOKENIZER)), settings, template)
    except (OSError, ValueError):
        return None
    except Exception as error:  # tokenizers raises a bare Exception where it cannot read a file
        if type(error) is not Exception:
            raise
        return None


def _complete(data: JsonMapping, settings: JsonMapping) -> bool:
    """True where transformers would change nothing: every token that the settings name is special already."""
    added = data.get("added_tokens")
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    if not isinstance(added, list) or not all(isinstance(token, dict) for token in added):
        return False
    special = [token.get("content") for token in added if plain.items() <= token.items()]
    named = [settings[name] for name in NAMED if settings.get(name) is not None]
    whole = data.get("truncation") is None and data.get("padding") is None
    return whole and all(name in special for name in named)
