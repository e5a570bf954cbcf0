"""CONVERSE on wishes amid small talk: does an encoder that learned from summaries find conversations that ask the same?

The world is `wishes`. Each arm gets the conversations of a pool, of which it finds five for each held-out conversation;
what is right has the same state. An encoder of one layer and a gate starts untrained. convretrieval learns from 1000
conversations with a summary each, and reads no state. explicit is the slow way: the same encoder reads the summary of
the conversation that asks, which a language model would first have to write. labels is the same encoder fine-tuned on
the pool, whose states are known: conversations of one state are brought together. bm25 compares turns by words. mean
weighs all turns alike. convretrieval-off learns from summaries that were dealt out anew.

Measured: `recall` at 5; `nearest`, how often the nearest conversation has the very state, a tracker that copies it;
`new`, recall where all conversations are about places that no arm has learned of. `per_s` is how many conversations are
made a query in a second of the processor, 64 at once; `mflop` what one costs by 2 x parameters x tokens (10^6
operations). `faster` is how many times as fast that is as to write the 64 summaries and to embed them: the median of
interleaved pairs in one process, of the processor's time, which others on the machine change less than the clock's.

The writer. The paper's smallest language model has 2.7 billion parameters (GPT-Neo) and its encoder is "light-weight";
an encoder of base size has .11 billion (which one it was could not be read), a 25th. So the writer here has at least 25
times the parameters of the encoder. It writes what a summary has, 6 tokens with the end, after some 20 of conversation;
in the paper too a summary is a sentence and a conversation many. It is untrained: what it writes does not change what a
token costs.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import Request, Sampling, derive, rng
from steelyard.data.bm25 import BM25
from steelyard.data.conversation_encoder import ConversationEncoder, Selector
from steelyard.data.conversations import Conversation
from steelyard.data.convretrieval import ConvRetrieval, Retriever, nearest, recall_at
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.learner.fitting import Fitting
from steelyard.rollout import engine_for
from steelyard.worlds.sync_loop import tiny_policy
from steelyard.worlds.wishes import Wishes, states
from steelyard.worlds.word_encoder import word_states

FOUND = 5
TIMED = 64
"""Conversations that are made queries at once to be timed."""
PAIRS = 21
"""How often, each time with summaries written beside."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    conversations: int = 1000
    pool: int = 200
    held_out: int = 200
    steps: int = 200
    batch: int = 24
    width: int = 32
    writer_width: int = 128
    writer_layers: int = 3


@dataclass(frozen=True)
class Way:
    """What an arm learns from, and what it asks with."""

    learns: Literal["summaries", "shuffled", "states", "nothing"] = "summaries"
    asks: Literal["turns", "summary", "words"] = "turns"
    selector: Selector = "soft"


ARMS = {
    "convretrieval": Way(),
    "convretrieval-off": Way("shuffled"),
    "explicit": Way(asks="summary"),
    "labels": Way("states"),
    "bm25": Way("nothing", "words"),
    "mean": Way(selector="all"),
}
Fit = tuple[str, Selector, float]


class Study:
    """The conversations of a seed, and the encoders that learned from them."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting, self.seed = setting, seed
        self.world = Wishes(places=6, new_places=3, qualities=5, words=3, data_seed=seed)
        self.train = self.world.conversations("train", setting.conversations)
        self.pool = self.world.conversations("pool", setting.pool)
        self.new_pool = self.world.conversations("new-pool", setting.pool)
        self.held = self.world.conversations("held-out", setting.held_out)
        self.new = self.world.conversations("new", setting.held_out)
        self.fits: dict[Fit, Retriever] = {}

    def retriever(self, way: Way, rate: float) -> Retriever:
        """The retriever of an arm; arms that differ in what they ask with share one."""
        key = (way.learns, way.selector, rate)
        if key not in self.fits:
            rule = ConvRetrieval(way.selector, batch=self.setting.batch, steps=self.setting.steps)
            start = derive(self.seed, "encoder") % 2**31
            words = word_states(self.world.vocabulary, width=self.setting.width, layers=1, context=16, seed=start)
            made = Retriever(rule, ConversationEncoder(words, way.selector, seed=start))
            if way.learns == "states":
                by_states(rule, made, self.pool, rate, self.seed).run()
            else:
                rule.begin(made, self.lessons(way), rate=rate, seed=self.seed).run()
            self.fits[key] = made
        return self.fits[key]

    def lessons(self, way: Way) -> list[Conversation]:
        """Conversations with their own summaries, or with those of others."""
        if way.learns == "summaries":
            return self.train
        dealt = rng(self.seed, "dealt").permutation(len(self.train)).tolist()
        return [Conversation(one.turns, self.train[i].summary) for one, i in zip(self.train, dealt, strict=True)]

    def scores(self, way: Way, rate: float, asking: Sequence[Conversation], pool: Sequence[Conversation]) -> np.ndarray:
        """How near each conversation of a pool is to each that asks."""
        if way.asks == "words":
            index = BM25().index([one.text for one in pool])
            return np.stack([index.scores(one.text) for one in asking])
        made = self.retriever(way, rate)
        if way.learns == "states":
            key_ND = made.encoder.embed([one.turns for one in pool])
        else:
            key_ND = made.embedded_keys([one.summary for one in pool])
        return (self.queries(made, way, asking) @ key_ND.T).numpy()

    def queries(self, made: Retriever, way: Way, asking: Sequence[Conversation]) -> Float[Tensor, "N D"]:
        """What each conversation asks with."""
        if way.asks == "summary":
            return made.embedded_keys([one.summary for one in asking])
        return made.encoder.embed([one.turns for one in asking])

    def speed(self, way: Way, rate: float) -> dict[str, float]:
        """How fast conversations are made queries, and what one costs."""
        if way.asks == "words":
            return {}
        made = self.retriever(way, rate)
        some = self.held[:TIMED]
        turns = [turn for one in some for turn in one.turns]
        summaries = [one.summary for one in some]

        def ask(texts: Sequence[str], asks: Way) -> int:
            read = made.encoder.states.tokenizer(texts)  # the encoder keeps the tokens of what it has read
            self.queries(made, asks, some)
            return sum(map(len, read["input_ids"]))

        def write() -> int:
            self.writer.write()
            return ask(summaries, Way(asks="summary"))

        turn_tokens, summary_tokens = ask(turns, Way()), write()
        pairs = [(spent_s(lambda: ask(turns, Way())), spent_s(write)) for _ in range(PAIRS)]
        parameters = sum(p.numel() for p in made.encoder.parameters())
        if way.asks == "summary":
            flops = 2 * (parameters * summary_tokens + self.writer.parameters * self.writer.tokens)
            return {
                "per_s": TIMED / statistics.median(write_s for _, write_s in pairs),
                "mflop": flops / TIMED / 1e6,
                "writer": float(self.writer.parameters),
            }
        return {
            "per_s": TIMED / statistics.median(ask_s for ask_s, _ in pairs),
            "faster": statistics.median(write_s / ask_s for ask_s, write_s in pairs),
            "mflop": 2 * parameters * turn_tokens / TIMED / 1e6,
        }

    @cached_property
    def writer(self) -> "Writer":
        """Who would write the summaries of as many conversations."""
        return Writer(self.setting, self.world.vocabulary, self.held[:TIMED])


class Writer:
    """An untrained language model that reads conversations and writes as many tokens as their summaries have."""

    def __init__(self, setting: Setting, words: Sequence[str], some: Sequence[Conversation]) -> None:
        width, layers = setting.writer_width, setting.writer_layers
        policy = tiny_policy(words, seed=0, width=width, layers=layers, context=96, spaced=True)
        self._asked = [Request(str(i), tuple(policy.encode(" ".join(one.turns))), 0) for i, one in enumerate(some)]
        written = [len(policy.encode(one.summary)) + 1 for one in some]
        self._said = Sampling(max_tokens=sum(written) // len(some))
        self._engine = engine_for(policy, 0)
        self.parameters = policy.num_parameters()
        self.tokens = sum(len(one.tokens) for one in self._asked) + sum(written) - len(some)
        """What it has to read of itself and of others: the last token that it writes is not read."""

    def write(self) -> None:
        """Write all summaries at once; a few end early, by chance."""
        for _ in self._engine.generate(self._asked, self._said):
            pass


def spent_s(work: Callable[[], object]) -> float:
    """The time of the processor that some work takes: of all threads of this process, and of nobody else."""
    began = time.process_time()
    work()
    return time.process_time() - began


def by_states(rule: ConvRetrieval, made: Retriever, pool: Sequence[Conversation], rate: float, seed: int) -> Fitting:
    """Fine-tuning on conversations whose states are known: each is brought near another one of its state."""
    draws = rng(seed, "by-states")
    state_N = states(pool)

    def loss() -> Tensor:
        of = draws.choice(len(pool), min(rule.batch, len(pool)), replace=False)
        near = [int(draws.choice(np.flatnonzero(state_N == state_N[i]))) for i in of]
        same = torch.from_numpy(state_N[of][:, None] == state_N[of])
        query_ND, key_ND = (made.encoder([pool[i].turns for i in places]) for places in (of.tolist(), near))
        return rule.loss(query_ND, key_ND, same)

    adam = torch.optim.AdamW(made.encoder.parameters(), lr=rate, weight_decay=1e-2)
    return Fitting(made.encoder, adam, loss, draws, rule.steps)


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Way]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """What each arm finds."""
    study = Study(setting, seed)
    right_QN = states(study.held)[:, None] == states(study.pool)
    new_QN = states(study.new)[:, None] == states(study.new_pool)
    for arm in arms:
        way = arm.settings
        found_QK = nearest(study.scores(way, arm.rate, study.held, study.pool), FOUND)
        new_QK = nearest(study.scores(way, arm.rate, study.new, study.new_pool), FOUND)
        first_Q = np.take_along_axis(right_QN, found_QK[:, :1], 1)[:, 0]
        made = None if way.asks == "words" else study.retriever(way, arm.rate)
        yield (
            arm.name,
            {
                "recall": recall_at(found_QK, right_QN),
                "nearest": float(first_Q.mean()),
                "new": recall_at(new_QK, new_QN),
                **study.speed(way, arm.rate),
                "parameters": 0.0 if made is None else float(sum(p.numel() for p in made.encoder.parameters())),
            },
        )


PROOF = Proof(
    proves=("convretrieval",),
    ours="convretrieval",
    control="convretrieval-off",
    equal="the pool, the conversations that ask; of what learns also the encoder, steps, batch and learning rate",
    claims=(
        Claim("Of five conversations that it finds 30 points more ask for the same than by words of the turns (BM25)",
              "recall", "bm25", 0.3),
        Claim("and 20 points more than by the encoder that was fine-tuned on the pool's states", "recall", "labels",
              0.2),
        Claim("Copied from the nearest, the state is right 20 points more often than by that encoder", "nearest",
              "labels", 0.2),
        Claim("It finds no 10 points less than the summaries of those who ask", "recall", "explicit", -0.1,
              control="convretrieval-off"),
        Claim("and makes queries at least twice as fast as a model of 25 times its size writes the summaries", "faster",
              1.0, 1.0, relative=True, control=None),
        Claim("About places that it has not learned of it finds 20 points more than BM25", "new", "bm25", 0.2),
        Claim("With the soft selector it finds 15 points more than with all turns alike", "recall", "mean", 0.15,
              kind="ablation"),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(conversations=500, held_out=100),
    rates={**dict.fromkeys(ARMS, 3e-3), "mean": 5e-3},
    first_seed=12,
    seeds=4,
)  # fmt: skip
