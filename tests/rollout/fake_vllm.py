"""A small server that speaks vLLM's protocol, as far as `VllmEngine` uses it, and does wrong what a test asks for."""

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from steelyard.policy import Policy

VOCABULARY = 28
KEY = "a key"


class FakeVllm:
    """Its state, and its answers by path. A test may replace an answer, or change the state.

    Args:
        model: what it says that it serves.
        policy: computes the log-probabilities, with the weights that it is given; without one all are the same.
    """

    def __init__(self, model: str, policy: Policy | None = None) -> None:
        self.policy = policy
        self.version = "0.32.0"
        self.model = model
        self.key: str | None = None
        self.label = "default"
        self.labels: list[str] = []
        self.asked: list[str] = []
        self.held: dict[str, torch.Tensor] = {}
        self.drops_prefixes = True
        self.largest_rank: int | None = 16
        """Of adapters that it takes; None for a server that takes none."""
        self.adapters: dict[str, dict[str, torch.Tensor]] = {}
        self.misses_names = True
        self.hung_up = threading.Event()
        self._computing = threading.Lock()
        self.answers: dict[str, Callable[[Any], Any]] = {
            "/health": lambda body: {},
            "/version": lambda body: {"version": self.version},
            "/v1/models": lambda body: {"data": self._models()},
            "/v1/load_lora_adapter": self._load_adapter,
            "/v1/unload_lora_adapter": self._unload_adapter,
            "/get_world_size": lambda body: {"world_size": 1},
            "/update_weight_version": self._name,
            "/collective_rpc": self._reload,
            "/weight_checker": lambda body: {"checksums": {f"dp0:tp0:{n}": c for n, c in self.checksums().items()}},
            "/reset_prefix_cache": lambda body: {"success": self.drops_prefixes},
            "/abort_requests": lambda body: {},
            "/inference/v1/generate": self.generate,
        }

    def _name(self, body):
        self.label = body["new_version"]
        self.labels.append(self.label)
        return {"success": True}

    def _reload(self, body):
        assert body["method"] == "reload_weights"
        self.held = load_file(Path(body["kwargs"]["weights_path"]) / "model.safetensors")
        if self.policy is not None:
            self.take(self.policy)
        return {"results": [None]}

    def take(self, policy: Policy) -> None:
        """Compute with the weights that it holds."""
        with torch.no_grad():
            for name, weight in policy.base_weights().items():
                weight.copy_(self.held[name])

    def _models(self):
        base = {"id": "m", "root": self.model, "max_model_len": 64, "parent": None}
        return [base, *({"id": name, "root": "/gone", "parent": "m"} for name in self.adapters)]

    def _load_adapter(self, body):
        place, name = Path(body["lora_path"]), body["lora_name"]
        rank = json.loads((place / "adapter_config.json").read_text())["r"]
        if self.largest_rank is None:
            raise Refusal(500, "Call to add_lora method failed: LoRA is not enabled. Use --enable-lora to enable LoRA.")
        if rank > self.largest_rank:
            raise Refusal(500, f"LoRA rank {rank} is greater than max_lora_rank {self.largest_rank}.")
        if name in self.adapters:
            raise Refusal(400, f"The lora adapter '{name}' has already been loaded.")
        self.adapters[name] = load_file(place / "adapter_model.safetensors")
        return f"Success: LoRA adapter '{name}' added successfully.".encode()

    def _unload_adapter(self, body):
        if self.adapters.pop(body["lora_name"], None) is None:
            raise Refusal(404, f"The lora adapter '{body['lora_name']}' cannot be found.")
        return b"Success"

    def adapt(self, policy: Policy, name: str) -> None:
        """Compute with the adapters of a name."""
        with torch.no_grad():
            for own, weight in policy.trainable().items():
                weight.copy_(self.adapters[name]["base_model.model." + own.replace(".default", "")])

    def checksums(self) -> dict[str, str]:
        """As a processor has them: linear layers are packed away, vocabularies are filled up."""
        found = {}
        for name, tensor in self.held.items():
            packed = tensor.ndim == 2 and "embed" not in name and "head" not in name
            rows = -len(tensor) % 64 if tensor.ndim == 2 else 0
            whole = torch.cat([tensor, tensor.new_zeros(rows, *tensor.shape[1:])]) if rows else tensor
            found[name] = hashlib.sha256(b"" if packed else whole.numpy().tobytes()).hexdigest()
        return found

    def generate(self, body):
        """Tokens by the seed alone, each with the same log-probability; a stop token ends them."""
        asked, name = body["sampling_params"], body.get("model", "m")
        if self.misses_names and name not in ("m", *self.adapters):
            raise Refusal(404, f"The model `{name}` does not exist.")
        draws = random.Random(asked.get("seed"))
        tokens: list[int] = []
        while len(tokens) < asked["max_tokens"] and not (tokens and tokens[-1] in asked.get("stop_token_ids", [])):
            tokens.append(draws.randrange(VOCABULARY))
        return self.answer(tokens, self._logp(body["token_ids"], tokens, asked, name))

    def _logp(self, prompt: list[int], tokens: list[int], asked: dict[str, Any], name: str) -> list[float]:
        if asked.get("top_k") == 1:
            return [0.0] * len(tokens)
        if self.policy is None:
            return [-1.5] * len(tokens)
        whole_NT = torch.tensor([[*prompt, *tokens]])
        action_NT = torch.arange(whole_NT.shape[1])[None] >= len(prompt)
        with torch.no_grad(), self._computing:
            if name in self.adapters:
                self.adapt(self.policy, name)
            found = self.policy.step_logp(
                whole_NT, torch.ones_like(action_NT), action_NT, temperature=asked.get("temperature", 1.0)
            )
        return found.logp_NT[0, len(prompt) :].tolist()

    def answer(self, tokens: list[int], logp: list[float] | None = None, **changes: Any) -> dict[str, Any]:
        """A completion on the wire."""
        logps = [-1.5] * len(tokens) if logp is None else logp
        choice = {
            "index": 0,
            "token_ids": tokens,
            "finish_reason": "length",
            "logprobs": {
                "content": [{"token_id": t, "logprob": p, "rank": 1} for t, p in zip(tokens, logps, strict=True)]
            },
            "weight_versions": [{"version": self.label, "start": 0, "end": len(tokens)}],
        }
        return {"request_id": "r", "choices": [choice | changes]}


class Refusal(Exception):
    """An answer of another status."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


class HangUp(Exception):
    """The server goes away in the middle of an answer."""


class _Handler(BaseHTTPRequestHandler):
    fake: FakeVllm

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _answer(self, body: Any) -> None:
        path = self.path.partition("?")[0]
        self.fake.asked.append(path)
        if self.fake.key is not None and self.headers.get("authorization") != f"Bearer {self.fake.key}":
            self._send(401, {"error": "Unauthorized"})
            return
        answer = self.fake.answers.get(path)
        try:
            if answer is None:
                self._send(404, {"detail": "Not Found"})
            else:
                self._send(200, answer(body))
        except Refusal as refusal:
            self._send(refusal.status, {"error": {"message": refusal.message}})
        except HangUp:
            self.close_connection = True
        except (BrokenPipeError, ConnectionResetError):
            self.fake.hung_up.set()

    def _send(self, status: int, found: Any) -> None:
        data = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving(fake: FakeVllm) -> Iterator[str]:
    """The address at which the fake answers."""
    handler = type("Handler", (_Handler,), {"fake": fake})
    # As many may connect at once as a searcher asks for; five is the library's own number.
    waiting = type("Server", (ThreadingHTTPServer,), {"request_queue_size": 256})
    server = waiting(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def slowly(seconds: float, answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same answer, later."""

    def late(body: Any) -> Any:
        time.sleep(seconds)
        return answer(body)

    return late
