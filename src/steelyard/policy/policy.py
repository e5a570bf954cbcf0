"""A causal language model as the rest of the system sees it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from steelyard.core import Block, derive, require
from steelyard.model import Architecture, Decoder, Mix, architecture_of
from steelyard.model.intervention import EMBEDDINGS, Intervention, site_module
from steelyard.policy import adapter_file, flat_parameters, loading, logp, text
from steelyard.policy.decoder_view import decoder_over
from steelyard.policy.device import device_of
from steelyard.policy.generation_cost import slow_reason
from steelyard.policy.gradient_checkpointing import checkpoint_layers
from steelyard.policy.intervened import Intervened, hooked
from steelyard.policy.logp import StepLogp
from steelyard.policy.lora import LoRA, adapt, changed_names, changes, check_reached, head_name, merged, parts_tie
from steelyard.policy.native_loader import NativeModel
from steelyard.policy.other_weights import OtherWeights
from steelyard.policy.recurrent import WholeRows, keeps_only_keys
from steelyard.policy.saved_check import check_same, most_apart, probe_tokens


class Policy:
    """A model, its tokenizer, and which of its parameters are trained.

    The model stays in eval mode, because dropout would make log-probabilities random. (LoRA's own dropout, if any, acts
    only while a gradient is taken.)
    """

    def __init__(self, model: Any, tokenizer: Any, lora: LoRA | None = None, seed: int = 0) -> None:
        """Wrap a loaded transformers model or a `NativeModel`; `Policy.load` also checks it.

        Adapters are put into `model` itself, which must then be a transformers model.
        """
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.chat_options: text.Options = {}
        """Arguments of the chat template."""
        self.backbone: Callable[..., Any] = model.base_model
        self._intervened: Intervened | None = None
        self.lora = lora
        """The adapters' settings; None where all weights are trained."""
        self._adapted = None if lora is None else adapt(model, lora, seed)
        self.head = model.get_output_embeddings()  # adapters may stand around it
        if lora is not None and not self.head.weight.is_meta:
            check_reached(model)
        model.eval()
        self._dropouts = [m for name, m in model.named_modules() if ".lora_dropout." in name and lora and lora.dropout]
        self._seed = seed
        self._trainable = dict(sorted((n, p) for n, p in model.named_parameters() if p.requires_grad))

    @classmethod
    def load(
        cls,
        model: str,
        *,
        lora: LoRA | None = None,
        dtype: str = "float32",
        seed: int = 0,
        attention: Mix | None = None,
    ) -> "Policy":
        """Load a policy, on the CPU.

        Args:
            model: a directory that `save_pretrained` wrote, a model shipped with the package (`steelyard/arithmetic`),
                or a hub id; only the last touches the network.
            lora: train low-rank adapters instead of all parameters.
            dtype: float32, bfloat16 or float16: of the model's own weights.
            seed: of the adapters' first weights, and of their dropout.
            attention: the variant of every layer, in place of the model's own: for models of our own families
                (`steelyard.model.families`) in a directory. The weights stay as they are, and were trained for another
                computation.

        Raises:
            SteelyardError: no such model, no safetensors, damaged or missing files, a tokenizer that does not fit, a
                model whose logits are not a plain head on its hidden states, or an attention that it cannot have.
        """
        if lora is None:
            return cls(*loading.read(model, dtype, attention=attention), None, seed)
        loading.require_own_attention(attention)
        return cls(*loading.load(model, dtype), lora, seed)

    # Words

    def encode(self, prompt: str | list[dict[str, str]]) -> list[int]:
        """Tokens of a text or of chat messages, ready to be continued; see `steelyard.policy.text.encode`."""
        return text.encode(self.tokenizer, prompt, self.eos_ids, self.chat_options)

    def encode_all(self, prompts: Sequence[text.Text]) -> list[list[int]]:
        """Tokens of many prompts, faster than one by one; see `steelyard.policy.text.encode_all`."""
        return text.encode_all(self.tokenizer, prompts, self.eos_ids, self.chat_options)

    def encode_next(
        self, messages: list[dict[str, str]] | None, observation: str | list[dict[str, str]], last: int
    ) -> list[int]:
        """Tokens of an observation that follows a turn of the policy; see `steelyard.policy.text.encode_next`."""
        return text.encode_next(self.tokenizer, messages, observation, last, self.eos_ids, self.chat_options)

    def decode(self, tokens: Sequence[int] | np.ndarray) -> str:
        """The text of tokens, without special tokens."""
        return text.decode(self.tokenizer, [int(token) for token in tokens])

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """Tokens that end a completion: the tokenizer's, the model's, and the chat template's; may be none."""
        named = self.model.generation_config.eos_token_id
        ids = {self.tokenizer.eos_token_id, self._turn_end, *(named if isinstance(named, list | tuple) else [named])}
        return tuple(sorted(ids - {None}))

    @cached_property
    def _turn_end(self) -> int | None:
        return text.turn_end(self.tokenizer, self.chat_options)

    def end_of(self, prompt: text.Text) -> int | None:
        """The token that ends a written completion of a prompt: in a chat, that of the template's turns.

        None where nothing ends a completion.
        """
        own = self._turn_end if not isinstance(prompt, str) else None
        ids = (own, self.tokenizer.eos_token_id, *self.eos_ids)
        return next((id for id in ids if id is not None), None)

    @property
    def pad_id(self) -> int:
        """A token to pad rows with; any would do, since masks hide it."""
        ids = (self.tokenizer.pad_token_id, *self.eos_ids, 0)
        return next(id for id in ids if id is not None)

    @property
    def vocab_size(self) -> int:
        """V: how many logits the model has. It may exceed the tokenizer's ids; those beyond decode to nothing."""
        return self.head.weight.shape[0]

    @property
    def hidden_size(self) -> int:
        """D: the width of `StepLogp.prompt_ND`."""
        return self.head.weight.shape[1]

    @property
    def context_length(self) -> int:
        """How many tokens prompt and completion may have together."""
        return getattr(self.model.config, "max_position_embeddings", None) or self.tokenizer.model_max_length

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.head.weight.device

    def to(self, device: torch.device) -> "Policy":
        """Bring the model to another device, with the same parameters; returns the policy itself."""
        self.model.to(device)
        self._trainable = {name: self.model.get_parameter(name) for name in self._trainable}
        if self._decoder is not None:
            self._decoder.to(device)  # its table of positions; the rest is the model's
        return self

    def placed(self, name: str, where: str = "--device") -> "Policy":
        """`to` the device that a name means for a model of this size: auto, cpu, cuda or cuda:NUMBER.

        Raises:
            SteelyardError: torch sees no such GPU.
        """
        return self.to(device_of(name, self.num_parameters(trainable=False), where))

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the model's own weights."""
        return self.head.weight.dtype

    @cached_property
    def architecture(self) -> Architecture | None:
        """The description of a model of our own families (`steelyard.model.families`); None for others."""
        if isinstance(self.model, NativeModel):
            return self.model.architecture
        config = self.model.config.to_dict()
        found = architecture_of(config | {"tie_word_embeddings": False} if self._parts_tie else config)
        return found if found and found.shapes().keys() == self.base_weights().keys() else None

    @cached_property
    def caches(self) -> bool:
        """True where tokens that were read can be kept as keys and values; false with recurrent layers."""
        return isinstance(self.model, NativeModel) or keeps_only_keys(self.model)

    @property
    def reader(self) -> Callable[..., Any]:
        """The backbone as it is called on padded rows, without a cache."""
        return self.backbone if self.caches else WholeRows(self.backbone)

    @property
    def slow_reason(self) -> str | None:
        """Why completions are generated by the slower engine; None where the native engine has kernels."""
        if not self.caches:
            kind = self.model.config.model_type
            return f"{kind} has recurrent layers: every token of a completion reads its row again, which takes long"
        if self.hooked:
            return "its hidden states are changed on the way, so completions are generated by the slower engine"
        return slow_reason(self.architecture, self.model.config.to_dict())

    def new_cache(self) -> Any:
        """An empty cache of keys and values for the backbone's `past_key_values`."""
        if isinstance(self.model, NativeModel):
            return self.model.new_cache()
        from transformers import DynamicCache

        return DynamicCache(config=self.model.config)

    # Interventions

    def intervene(self, intervention: Intervention | None) -> None:
        """Change hidden states while the model runs, in place of an intervention that there may be; None ends it.

        Whatever reads rows then says where their prompts end, by `reading`. Engines that do not run the model's own
        forward pass refuse such a policy.

        Raises:
            SteelyardError: the model has no such site; it then has no intervention.
        """
        if self._intervened is not None:
            self._intervened.remove()
        self.backbone = self.model.base_model
        self._intervened = None
        if intervention is not None:
            self._intervened = self.backbone = Intervened(self.model, self.backbone, intervention)

    def check_sites(self, sites: Sequence[str]) -> None:
        """Refuse sites that the model does not have.

        Raises:
            SteelyardError: it has not all of them.
        """
        for site in sites:
            if site != EMBEDDINGS:
                site_module(self.model, self.model.config.num_hidden_layers, site)

    @property
    def intervention(self) -> Intervention | None:
        """What changes hidden states now."""
        return None if self._intervened is None else self._intervened.intervention

    @property
    def hooked(self) -> bool:
        """Whether an intervention, or anybody's forward hook, stands in the model."""
        return hooked(self.model)

    def reading(self, prompt_N: Int[Tensor, "N"]) -> AbstractContextManager[None]:
        """Inside the `with`, the backbone reads rows whose prompts have so many tokens: an intervention asks for it."""
        return nullcontext() if self._intervened is None else self._intervened.reading(prompt_N)

    # Log-probabilities

    @property
    def shares_prompts(self) -> bool:
        """True where `step_logp` computes equal prompts and rests once, without padding; see `prefix_sharing`."""
        return self._decoder is not None and self._intervened is None and not self.hooked

    @cached_property
    def _decoder(self) -> Decoder | None:
        """The model as a decoder of our own: itself, or made of the parts of a transformers model; None for others."""
        if isinstance(self.model, NativeModel):
            return self.model
        return None if self.architecture is None else decoder_over(self.model, self.architecture)

    def checkpoint_layers(self) -> None:
        """Have every layer computed again in the backward pass; see `gradient_checkpointing`.

        Raises:
            SteelyardError: the model has no list of layers.
        """
        checkpoint_layers(self.model)
        if self._decoder is not None and self._decoder is not self.model:
            checkpoint_layers(self._decoder)

    def step_logp(
        self,
        tokens_NT: Int[Tensor, "N T"],
        attend_NT: Bool[Tensor, "N T"],
        action_NT: Bool[Tensor, "N T"],
        *,
        temperature: float = 1.0,
        entropy: bool = False,
        others: bool = False,
        chunk: int | None = None,
    ) -> StepLogp:
        """Log-probabilities of the actions among N rows of T tokens, at the temperature they were sampled at.

        Rows may be padded on either side, with any token that the model has; `attend_NT` is false there. They may be on
        the processor; what comes back is on the model's device.

        Args:
            tokens_NT: prompt and completion.
            attend_NT: true where a token is real.
            action_NT: true where the policy chose the token.
            temperature: divides the logits; must be above 0.
            entropy: also return the entropy at each action.
            others: also return the mean log-probability of the other tokens at each action.
            chunk: positions per call of the head; by default as many as hold 2^25 logits, or 2^27 on a GPU.

        Raises:
            SteelyardError: a temperature that is not above 0.
            ValueError: an action that is not attended, or has nothing before it.
        """
        require(
            temperature > 0,
            f"log-probabilities at temperature {temperature}",
            where="temperature",
            hint="use a temperature above 0",
        )
        for module in self._dropouts:
            module.train(torch.is_grad_enabled())
        with self.reading((attend_NT & (action_NT.cumsum(1) == 0)).sum(1).to(self.device)):
            return logp.step_logp(
                self._decoder or self.reader if self.shares_prompts else self.reader,
                self.head,
                tokens_NT,
                attend_NT,
                action_NT,
                temperature=temperature,
                entropy=entropy,
                others=others,
                chunk=chunk or max(1, logp.logits_at_once(self.device) // self.vocab_size),
                shared=self.shares_prompts,
                device=self.device,
            )

    @contextmanager
    def dropping(self, step: int) -> Iterator[None]:
        """Inside the `with`, LoRA's dropout draws by (seed, step) alone, so a resumed run drops what it would have."""
        if not self._dropouts:
            yield
            return
        gpus = [] if self.device.type == "cpu" else [self.device]
        with torch.random.fork_rng(devices=gpus):
            torch.manual_seed(derive(self._seed, "dropout", step))
            yield

    @torch.no_grad()
    def next_logp(self, tokens_NT: Int[Tensor, "N T"]) -> Float[Tensor, "N T V"]:
        """Log-probabilities of all V next tokens at every place of whole rows, on the CPU: for comparisons.

        To an intervention all of a row is prompt.
        """
        for module in self._dropouts:
            module.eval()
        with self.reading(torch.full((len(tokens_NT),), tokens_NT.shape[1])):
            hidden_NTD = self.backbone(input_ids=tokens_NT.to(self.device), use_cache=False)[0]
        return torch.log_softmax(self.head(hidden_NTD).float(), -1).cpu()

    # Weights

    def trainable(self) -> dict[str, torch.nn.Parameter]:
        """Name -> parameter, sorted by name: all of them, or the adapters alone under LoRA."""
        return dict(self._trainable)

    def num_parameters(self, *, trainable: bool = True) -> int:
        """How many parameters are trained; with `trainable` False, how many there are in all."""
        return sum(p.numel() for p in (self._trainable.values() if trainable else self.model.parameters()))

    @cached_property
    def _others(self) -> OtherWeights:
        return OtherWeights([*self._trainable.values()])

    @property
    def num_bytes(self) -> int:
        """B: the size of `weights()`."""
        return flat_parameters.size_of(self._trainable.values())

    def weights(self, into: UInt8[np.ndarray, "B"] | None = None) -> UInt8[np.ndarray, "B"]:
        """A copy of the trainable parameters as B bytes, in the order of `trainable()`; made in `into`, if given."""
        return flat_parameters.read([*self._trainable.values()], into)

    def load_weights(self, data: Block) -> None:
        """Copy what `weights()` returned into the parameters, in place and bit for bit.

        Raises:
            SteelyardError: the block has another size.
        """
        flat_parameters.write([*self._trainable.values()], data)

    def plain_weights(self) -> dict[str, Tensor]:
        """Name -> weights of the whole model, with adapters merged in; views wherever there is no adapter.

        Where adapters part a head from the embedding that it was, both are named.
        """
        plain = self.base_weights()
        return plain if self._adapted is None else plain | changes(self.model)

    @cached_property
    def untrained(self) -> frozenset[str]:
        """The names in `plain_weights` that keep their values whatever is loaded."""
        adapted = set() if self._adapted is None else changed_names(self.model)
        return frozenset(self.base_weights().keys() - adapted - self._trainable.keys())

    def base_weights(self) -> dict[str, Tensor]:
        """As `plain_weights`, without what adapters add: views."""
        plain: dict[str, Tensor] = {}
        for name, p in self.model.named_parameters():
            if ".lora_" not in name:
                plain[name.replace(".base_layer", "")] = p.detach()
        if self._parts_tie:
            plain[head_name(self.model)] = self.head.weight.detach()
        return plain

    @property
    def _parts_tie(self) -> bool:
        return self._adapted is not None and parts_tie(self.model)

    @contextmanager
    def holding(self, data: Block) -> Iterator[None]:
        """Hold other weights inside the `with`, as for reference log-probabilities, and the present ones after it.

        Finish any backward pass first: the parameters change in place.
        """
        if self.device.type != "cpu":
            with self._others.in_place(data):
                yield
            return
        present = self.weights()
        self.load_weights(data)
        try:
            yield
        finally:
            self.load_weights(present)

    def save(self, directory: Path | str, *, force: bool = False) -> Path:
        """Write a directory that `AutoModelForCausalLM.from_pretrained` loads; adapters are merged into a copy first.

        The adapters alone are in its `adapter/`, for peft; see `adapter_file`.

        An intervention is no part of it: `steelyard.model.intervention_file` writes one beside it. What was written
        is loaded again and compared with this policy, which takes the memory of another copy; see `saved_check`.

        Args:
            directory: where to; made if absent.
            force: write over what is there.

        Raises:
            SteelyardError: the directory is not empty and `force` is false, or the path is a file.
            FaultError: what was written is not this policy.
        """
        path = Path(directory)
        require(path.is_dir() or not path.exists(), f"{path} is a file", where="save", hint="name a directory")
        require(
            force or not path.exists() or not any(path.iterdir()),
            f"{path} is not empty",
            where="save",
            hint="name another directory, or force",
        )
        with loading.quiet():
            (self.model if self._adapted is None else merged(self._adapted)).save_pretrained(path)
            self.tokenizer.save_pretrained(path)
            if self._adapted is not None:
                self.save_adapters(path / adapter_file.NAME)
        # On the same device: in bfloat16 a GPU and the processor differ by more than a saved model may.
        again = Policy.load(str(path), dtype=str(self.dtype).removeprefix("torch.")).to(self.device)
        tokens_NT = probe_tokens(self.model.get_input_embeddings().weight.shape[0], self.context_length)
        most = most_apart(self.dtype, merged=self._adapted is not None)
        present = self.intervention
        self.intervene(None)
        try:
            check_same(self.next_logp, again.next_logp, tokens_NT, most, path)
        finally:
            self.intervene(present)
        return path

    def save_adapters(self, directory: Path) -> None:
        """Write the adapters alone, as they are now, in peft's layout; see `adapter_file`."""
        assert self._adapted is not None
        adapter_file.write_adapters(self._adapted, directory)
