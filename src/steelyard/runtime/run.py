"""A run's settings: which parts, how much of each, and where it runs.

A recipe is a `Run`; every number in it is a flag of `steelyard train`. Which method it uses is the recipe itself.
"""

import math
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Annotated, Literal

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from steelyard.core import (
    CurriculumSettings,
    ReplaySettings,
    Sampling,
    Schedule,
    Task,
    needs_of,
    numeric_settings,
    require,
    scheduled,
    setting,
    settings,
)
from steelyard.core.schedule import FORM
from steelyard.curriculum import Shuffled
from steelyard.learner import Adam, Demonstrator
from steelyard.model import Mix, attention_by_name
from steelyard.objective import Objective
from steelyard.policy import LoRA
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.reward import named_rewards
from steelyard.runtime.inline.faults import Faults
from steelyard.searcher.temperature_schedule import TemperatureSchedule

Plain = tyro.conf.OmitArgPrefixes
Word = PrimitiveConstructorSpec(
    nargs=1,
    metavar=FORM,
    instance_from_str=lambda words: Schedule.parse(words[0]),
    is_instance=lambda value: isinstance(value, Schedule),
    str_from_instance=lambda schedule: [str(schedule)],
)
"""How the command line writes a schedule: in one word."""
Rewards = PrimitiveConstructorSpec(
    nargs="*",
    metavar="MODULE:FUNCTION[=WEIGHT]",
    instance_from_str=lambda words: None if words == ["None"] else words[0] if len(words) == 1 else tuple(words),
    is_instance=lambda value: value is None or isinstance(value, str | tuple),
    str_from_instance=lambda value: ["None"] if value is None else [value] if isinstance(value, str) else [*value],
)
"""How the command line writes rewards; it gathers those of several `--reward` first."""
POSITIVE = (
    "num_searchers", "max_steps", "num_prompts", "num_generations", "search_prompts", "max_completion_length",
    "weight_sync_steps", "micro_tokens", "keep_checkpoints", "max_logp_mismatch", "temperature", "learning_rate",
    "lora_alpha", "reward_timeout",
)  # fmt: skip
NOT_NEGATIVE = (
    "reference_reset",
    "max_staleness",
    "lora_rank",
    "beta_steps",
    "save_steps",
    "seed",
    "search_delay",
)


@dataclass(frozen=True)
class VirtualClock:
    """The inline runtime's clock: what things cost in virtual seconds, and how late weights arrive."""

    search_cost: float = 1.0
    """Virtual seconds of one searcher batch."""
    learn_cost: float = 1.0
    """Virtual seconds of one learner step; 0 is one step per delivery, before the searcher goes on (synchronous)."""
    publication_lag: int = 0
    """Weights become visible to searchers this many publications after they were made."""
    threads: int = 1
    """Compute threads; runs repeat bit for bit only at the same number."""
    deadline: float = 1000.0
    """Virtual seconds that the learner may wait for a batch before the run stops and says why."""
    search_deadline: float = 60.0
    """Virtual seconds after which a searcher that an injected fault has silenced is killed and started again."""
    faults: Faults = field(default_factory=Faults)
    """Faults to inject."""

    def __post_init__(self) -> None:
        require(self.search_cost > 0, f"search_cost is {self.search_cost}", where="inline", hint="use a positive cost")
        require(self.learn_cost >= 0, f"learn_cost is {self.learn_cost}", where="inline", hint="use 0 or more")
        require(self.threads > 0, f"threads is {self.threads}", where="inline", hint="use 1 or more")
        for name in ("deadline", "search_deadline"):
            value = getattr(self, name)
            require(value > 0, f"{name} is {value}", where="inline", hint="use a positive number")
        require(
            self.publication_lag >= 0,
            f"publication_lag is {self.publication_lag}",
            where="inline",
            hint="use 0 or more",
        )


@dataclass(frozen=True)
class Processes:
    """The local runtime's child processes."""

    threads: int = 1
    """Compute threads of each process."""
    start_deadline: float = 180.0
    """Seconds that a process may take to load its model."""
    deadline: float = 120.0
    """Seconds that any process may wait for another before the run stops and says who waited for whom."""
    search_deadline: float = 60.0
    """Seconds without a word after which a searcher that has work is killed and started again."""

    def __post_init__(self) -> None:
        require(self.threads > 0, f"threads is {self.threads}", where="local", hint="use 1 or more")
        for name in ("start_deadline", "deadline", "search_deadline"):
            require(
                getattr(self, name) > 0,
                f"{name} is {getattr(self, name)}",
                where="local",
                hint="use a positive number of seconds",
            )


@dataclass(frozen=True)
class Restarts:
    """Searchers and evaluator that die or hang are started again, but not for ever."""

    limit: int = 5
    """Failures within the window that a run survives; one more ends it."""
    window: float = 300.0
    """Seconds (inline: virtual) that a failure counts."""
    backoff: float = 0.5
    """Seconds before the first restart of a process; doubled with each further failure of it within the window."""
    longest_backoff: float = 30.0
    """Most seconds before a restart."""

    def __post_init__(self) -> None:
        require(self.limit >= 0, f"limit is {self.limit}", where="restarts", hint="use 0 or more")
        for name in ("window", "backoff", "longest_backoff"):
            value = getattr(self, name)
            require(value > 0, f"{name} is {value}", where="restarts", hint="use a positive number of seconds")


@dataclass(frozen=True)
class HeldOut:
    """What is measured on held-out prompts beside training."""

    every: int = 20
    """Learner steps between evaluations; the first and the last weights are always evaluated."""
    prompts: int = 256
    """Held-out prompts for greedy accuracy."""
    sampled_prompts: int = 64
    """Held-out prompts that are sampled at the training temperature."""
    samples: int = 8
    """Samples of each of those: pass@k, distinct answers, styles."""

    def __post_init__(self) -> None:
        for f in fields(self):
            require(
                getattr(self, f.name) > 0,
                f"{f.name} is {getattr(self, f.name)}",
                where="evaluation",
                hint="use 1 or more",
            )


@dataclass(frozen=True)
class Run:
    """Everything that decides a run, apart from the machine."""

    task: Annotated[Task, Plain]
    """Prompts, and how completions are scored."""
    objective: Annotated[Objective, Plain]
    """The loss."""
    model: str
    """A directory, a model shipped with the package (steelyard/NAME), or a hub id."""
    replay: ReplaySettings = field(default_factory=PrioritizedReplay)
    """What is stored, drawn and evicted."""
    curriculum: CurriculumSettings = field(default_factory=Shuffled)
    """Which prompts are searched next."""
    runtime: Literal["local", "inline"] = "local"
    """local: searchers, learner and evaluator in processes of their own. inline: one process on a virtual clock."""
    num_searchers: int = 1
    """Searchers that generate at the same time."""
    max_staleness: int | None = None
    """Versions by which data may trail the learner; --replay.over-age says what happens then. None sets no bound."""
    max_steps: int = 200
    """Learner steps to make."""
    learning_rate: float = 1e-4
    """The optimizer's learning rate; --optimizer.schedule multiplies it."""
    num_prompts: int = 32
    """Prompts in a learner step (P)."""
    num_generations: int = 8
    """Completions of each prompt in a learner step (G)."""
    search_prompts: int = 32
    """Prompts in a searcher batch."""
    search_generations: int | None = None
    """Completions of each prompt in a searcher batch (S); None for num_generations."""
    max_completion_length: int = 32
    """Most tokens that a completion may have."""
    temperature: float = 1.0
    """Temperature of the policy: what is sampled, compared with the reference, and trained."""
    seed: int = 0
    """Seed of every random draw."""
    output_dir: str | None = None
    """The run's directory, empty or not there yet; by default runs/RECIPE-TIME."""
    reward: Annotated[str | tuple[str, ...] | None, Rewards] = None
    """A reward function module:function(prompts, completions, **columns) in place of the task's own verifier; given
    several times, their sum. module:function=0.5 gives one a weight."""
    reward_timeout: float = 60.0
    """Seconds that a reward may take for a batch of completions. Those of a batch that is late have no reward, and are
    kept in quarantine.jsonl."""
    search_temperature: float | None = None
    """Temperature of the searchers, where it differs from the policy's; inf samples uniformly."""
    search_temperatures: tuple[float, float] | None = None
    """Half of the searchers' batches are drawn at a temperature between these two, the others at the usual one."""
    search_delay: float = 0.0
    """Seconds that a searcher waits after each batch: stands in for an engine that takes longer, elsewhere."""
    in_flight: bool = False
    """Searchers take newer weights in the middle of a batch; every token keeps the version that drew it."""
    schedule: dict[str, Annotated[Schedule, Word]] = field(default_factory=dict)
    """A number of the objective over learner steps, for example --schedule.beta 1.0:0.05:100:cosine (or linear, the
    default, or constant-then)."""
    beta_final: float | None = None
    """Short for --schedule.beta BETA:BETA-FINAL:BETA-STEPS; None keeps beta constant."""
    beta_steps: int = 0
    """Learner steps of that change."""
    target_beta: float | None = None
    """Temperature of the pi* to which exact distances are measured, where it is not the objective's beta."""
    weight_sync_steps: int = 1
    """Learner steps between two publications of weights."""
    reference_reset: int = 0
    """The reference becomes the policy every so many steps; 0 never."""
    lora_rank: int = 0
    """Train low-rank adapters of this rank instead of all weights; 0 trains all."""
    lora_alpha: float = 16.0
    """The adapters' update is scaled by lora_alpha / lora_rank."""
    lora_targets: str = "all-linear"
    """Layers that get adapters: all-linear, or name endings separated by commas."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the weights that compute; the learner updates float32 copies of bfloat16 ones."""
    attention: str | None = None
    """Attention of every layer in place of the model's own, such as sliding-window; None keeps the model's."""
    attention_window: int | None = None
    """Keys that a query sees (tokens), for an attention that has a window."""
    micro_tokens: int = 16384
    """Tokens in one forward pass of the learner: shared prompts once and no padding, or padded for other models."""
    save_steps: int = 50
    """Learner steps between two checkpoints; 0 makes one only when the run is stopped."""
    keep_checkpoints: int = 2
    """Checkpoints kept; older ones are deleted."""
    max_logp_mismatch: float = 0.05
    """Largest mean difference between the engine's log-probabilities and the learner's (nats per token)."""
    optimizer: Adam = field(default_factory=Adam)
    """Adam, clipping and the learning-rate schedule."""
    evaluation: HeldOut = HeldOut()
    """Held-out evaluation beside training."""
    inline: VirtualClock = VirtualClock()
    """Costs and lags of --runtime inline."""
    local: Processes = Processes()
    """Processes of --runtime local."""
    restarts: Restarts = Restarts()
    """What happens when a searcher dies or hangs."""

    def __post_init__(self) -> None:
        for name in POSITIVE:
            _positive(name, getattr(self, name))
        for name in NOT_NEGATIVE:
            value = getattr(self, name)
            _require(value is None or value >= 0, name, value, "use 0 or more")
        _require(self.seed < 2**63, "seed", self.seed, "use 0 to 2^63 - 1")
        heat = self.search_temperature
        _require(heat is None or heat > 0, "search_temperature", heat, "use a positive number or inf")
        for part in filter(is_dataclass, (self, self.task, self.objective)):
            _refuse_endless(part)
        if self.reward is not None:
            hint = "write module:function, and give a callable to train(run, reward=...)"
            require(named_rewards(self.reward) is not None, "is no name", where="--reward", hint=hint)
        self._check_needs()
        self._check_schedules()
        self._check_search()

    def _check_needs(self) -> None:
        """The objective's group size and demonstrations; its labels are looked for when the prompts are read."""
        name = type(self.objective).__name__
        number = self.num_generations
        needs = needs_of(self.objective)
        exact = needs.group_size
        least = needs.least_group
        hint = f"{name} compares {exact or f'at least {least}'} completions of a prompt"
        _require(number == exact if exact else number >= least, "num_generations", number, hint)
        what = f"{type(self.task).__name__} has no demonstrations"
        hint = "choose a task that has, such as arithmetic"
        require(not needs.demonstrations or isinstance(self.task, Demonstrator), what, where=name, hint=hint)
        searched = self.samples_searched
        _require(searched > 0, "search_generations", searched, "use 1 or more")
        whole = not isinstance(self.replay, SingleUse) or searched % number == 0
        hint = f"a queue gives out all that came, in groups of --num-generations: use a multiple of {number}"
        _require(whole, "search_generations", searched, hint)

    def _check_schedules(self) -> None:
        """Every schedule names a number of the objective, and stays in its range from the first step to the last."""
        if self.target_beta is not None:
            _positive("target_beta", self.target_beta)
        if self.beta_final is not None:
            _positive("beta_final", self.beta_final)
            what = f"is set, but {type(self.objective).__name__} has no beta"
            require(self._has_beta, what, where="--beta-final", hint="leave it out")
            what = "is set, and so is --schedule.beta"
            require("beta" not in self.schedule, what, where="--beta-final", hint="leave one of them out")
        schedules = self.schedules
        for schedule in schedules.values():
            _refuse_endless(schedule)
        for step in {0, *(schedule.steps for schedule in schedules.values())}:
            scheduled(self.objective, schedules, step)

    def _check_search(self) -> None:
        heats = self.search_temperatures
        ordered = heats is None or 0 < heats[0] <= heats[1] < math.inf
        _require(ordered, "search_temperatures", heats, "use two positive numbers, the lower first")
        hint = "take --runtime local, or leave it out"
        what = "is set, but the weights of an inline run do not change in the middle of a batch"
        require(not (self.in_flight and self.runtime == "inline"), what, where="--in-flight", hint=hint)
        limit = self.local.search_deadline
        patient = self.runtime == "inline" or self.search_delay < limit
        hint = f"use less than --local.search-deadline, which is {limit:g}"
        _require(patient, "search_delay", self.search_delay, hint)

    @property
    def beta(self) -> float:
        """Temperature of the target pi* proportional to pi_ref exp(r / beta): the objective's, where it ends.

        Raises:
            SteelyardError: the objective has no beta, so there is no target to measure a distance to.
        """
        if self.target_beta is not None:
            return self.target_beta
        what = f"{type(self.objective).__name__} has no beta, so pi* is not defined"
        hint = "choose a recipe whose objective has one, or set --target-beta"
        require(self._has_beta, what, where="objective", hint=hint)
        final = self.schedules.get("beta")
        return setting(self.objective, "beta") if final is None else final.end

    @property
    def _has_beta(self) -> bool:
        return "beta" in numeric_settings(self.objective)

    @property
    def samples_searched(self) -> int:
        """S, completions of each prompt in a searcher batch."""
        return self.num_generations if self.search_generations is None else self.search_generations

    @property
    def mix(self) -> Mix | None:
        """The attention variant that `attention` names.

        Raises:
            SteelyardError: there is none of that name, or it has no window.
        """
        window = {} if self.attention_window is None else {"window": self.attention_window}
        if self.attention is None:
            _require(not window, "attention_window", self.attention_window, "use it with --attention sliding-window")
            return None
        return attention_by_name(self.attention, window)

    @property
    def lora(self) -> LoRA | None:
        """The adapters' settings, or None where all weights are trained."""
        return LoRA(self.lora_rank, self.lora_alpha, targets=self.lora_targets) if self.lora_rank else None

    @property
    def sampling(self) -> Sampling:
        """How searchers sample."""
        return Sampling(self.search_temperature or self.temperature, self.max_completion_length)

    @property
    def temperature_schedule(self) -> TemperatureSchedule | None:
        """How the temperature varies between searcher batches, or None where it does not."""
        varied = self.search_temperatures
        return None if varied is None else TemperatureSchedule(*varied, self.seed)

    @property
    def schedules(self) -> dict[str, Schedule]:
        """Setting of the objective -> its schedule, `beta_final` among them."""
        if self.beta_final is None:
            return self.schedule
        return {**self.schedule, "beta": Schedule(setting(self.objective, "beta"), self.beta_final, self.beta_steps)}


def _refuse_endless(part: object) -> None:
    """Refuse infinity and nan among the plain numbers, but for a search temperature, where infinity has a meaning."""
    for name, value in settings(part).items():
        endless = isinstance(value, float) and not math.isfinite(value) and name != "search_temperature"
        require(not endless, f"is {value}", where=f"--{name.replace('_', '-')}", hint="use a finite number")


def _require(condition: bool, name: str, value: object, hint: str) -> None:
    require(condition, f"is {value}", where=f"--{name.replace('_', '-')}", hint=hint)


def _positive(name: str, value: float | int) -> None:
    _require(value > 0 and math.isfinite(value), name, value, "use a positive number")
