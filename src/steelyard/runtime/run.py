"""A run's settings: which parts, how much of each, and where it runs.

A recipe is a `Run`; every number in it is a flag of `steelyard train`. Which method it uses is the recipe itself.
"""

import math
from dataclasses import dataclass, field, is_dataclass
from typing import Annotated, Literal

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from steelyard.core import (
    CurriculumSettings,
    Interactive,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    PositiveOrInf,
    ReplaySettings,
    Sampling,
    Schedule,
    Seed,
    ShareBelowOne,
    Stops,
    Task,
    checked,
    id_of,
    needs_of,
    numeric_settings,
    require,
    scheduled,
    setting,
    settings,
)
from steelyard.core.json import JsonObject
from steelyard.core.schedule import FORM
from steelyard.curriculum import Shuffled
from steelyard.decode import DecodeRule
from steelyard.guard import harmless as harmless  # rewards named guard:RUN
from steelyard.learner import Adam, Demonstrator
from steelyard.model import Mix, attention_by_name
from steelyard.objective import Objective
from steelyard.policy import LoRA
from steelyard.policy.device import AUTO, Device
from steelyard.policy.text import read_options
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.reward import named_rewards
from steelyard.rollout.vllm_adapters import RANKS
from steelyard.runtime.run_parts import (
    HeldOut,
    LearnerPart,
    Processes,
    RayCluster,
    Restarts,
    SearchPart,
    VirtualClock,
    VllmPart,
)
from steelyard.searcher.temperature_ladder import TemperatureLadder
from steelyard.searcher.temperature_schedule import TemperatureSchedule
from steelyard.task.base import StopStrings

Plain = tyro.conf.OmitArgPrefixes
Part = Literal["learner", "search", "evaluation"]
"""What computes with the model; searchers are one part."""
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


@checked()
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
    """Which prompts are searched next; --curriculum ID chooses another one."""
    runtime: Literal["local", "inline", "ray"] = "local"
    """local: searchers, learner and evaluator in processes of their own. inline: one process on a virtual clock. ray:
    the processes are actors of a Ray cluster."""
    engine: str = "own"
    """What searchers generate with. own: the fastest engine of this package for the model. vllm: a vLLM server, that of
    --vllm.url or those that --vllm.python starts. module:Class or path/to/file.py:Class: an engine of yours, made with
    the policy and the run's seed. Evaluation always has an own one."""
    num_searchers: PositiveInt = 1
    """Searchers that generate at the same time."""
    max_staleness: NonNegativeInt | None = None
    """Versions by which data may trail the learner; --replay.over-age says what happens then. None sets no bound."""
    max_steps: PositiveInt = 200
    """Learner steps to make."""
    learning_rate: Positive = 1e-4
    """The optimizer's learning rate; --optimizer.schedule multiplies it."""
    num_prompts: PositiveInt = 32
    """Prompts in a learner step (P)."""
    num_generations: PositiveInt = 8
    """Completions of each prompt in a learner step (G)."""
    search_prompts: PositiveInt = 32
    """Prompts in a searcher batch."""
    search_generations: PositiveInt | None = None
    """Completions of each prompt in a searcher batch (S); None for num_generations."""
    max_completion_length: PositiveInt = 32
    """Most tokens that a completion may have."""
    mask_truncated_completions: bool = False
    """Learn nothing from completions that were cut off at --max-completion-length; otherwise each counts with the
    reward that it got. They are stored and drawn in either case."""
    stop: StopStrings = None
    r"""A string that ends a completion, for example --stop '\nQuestion:'; given several times, the first that comes.
    Its tokens are trained on, and the text that is scored ends before it. None takes what the task says. \n, \t and
    \\ are a line break, a tab and a backslash."""
    max_prompt_length: PositiveInt | None = None
    """Most tokens that a prompt may have; None leaves that to the model's context, less --max-completion-length."""
    filter_overlong_prompts: bool = False
    """Leave out prompts that are longer, and count them; otherwise such a prompt is refused before the run begins."""
    chat_template_kwargs: str = "{}"
    """Arguments of the model's chat template, as JSON: '{"enable_thinking": false}'."""
    temperature: Positive = 1.0
    """Temperature of the policy: what is sampled, compared with the reference, and trained."""
    seed: Seed = 0
    """Seed of every random draw."""
    output_dir: str | None = None
    """The run's directory, empty or not there yet; by default runs/RECIPE-TIME."""
    reward: Annotated[str | tuple[str, ...] | None, Rewards] = None
    """A reward function module:function(prompts, completions, **columns) in place of the task's own verifier; given
    several times, their sum. module:function=0.5 gives one a weight. guard:RUN is a fitted guard, love:RUN a fitted
    model of feedback, ctrl-u:DIR a reward model less what it is not sure of (ctrl-u:love:RUN a model of feedback),
    wl-ac:P,CHEAP,COSTLY a cheap reward that a costly one corrects on a share P of the samples."""
    constraint: Annotated[str | tuple[str, ...] | None, Rewards] = None
    """A judge of every completion, named as a reward is, which gives more than 1/2 where it passes; given several
    times, all of them must. guard:RUN is a fitted guard. It is for objectives that read verdicts, such as CRPG."""
    reward_timeout: Positive = 60.0
    """Seconds that a named reward may take for a batch of up to 64 completions. Those of a batch that is late have no
    reward, and are kept in quarantine.jsonl. A callable of the calling process has no deadline."""
    step_reward: str | None = None
    """A function module:function(prompts, completions, **columns) that labels single steps, for objectives that learn
    from them: for each completion a list with a number for each line, above 0 where it is right, below 0 where not."""
    search_temperature: PositiveOrInf | None = None
    """Temperature of the searchers, where it differs from the policy's; inf samples uniformly."""
    search_temperatures: tuple[Positive, Positive] | None = None
    """Half of the searchers' batches are drawn at a temperature between these two, the others at the usual one."""
    search_ladder: tuple[Positive, Positive] | None = None
    """Each searcher has a temperature of its own, from the first of these to the last in equal quotients; the policy's
    own completions are then a part of what is found, unless the first is --temperature."""
    search_delay: NonNegative = 0.0
    """Seconds that a searcher waits after each batch: stands in for an engine that takes longer, elsewhere."""
    decode: Annotated[DecodeRule | None, tyro.conf.Suppress] = None
    """How searchers choose among continuations; None draws every token from the policy. Evaluation always does."""
    in_flight: bool = False
    """Searchers take newer weights in the middle of a batch; every token keeps the version that drew it."""
    schedule: dict[str, Annotated[Schedule, Word]] = field(default_factory=dict)
    """A number of the objective over learner steps, for example --schedule.beta 1.0:0.05:100:cosine (or linear, the
    default, or constant-then)."""
    beta_final: Positive | None = None
    """Short for --schedule.beta BETA:BETA-FINAL:BETA-STEPS; None keeps beta constant."""
    beta_steps: NonNegativeInt = 0
    """Learner steps of that change."""
    target_beta: Positive | None = None
    """Temperature of the pi* to which exact distances are measured, where it is not the objective's beta."""
    weight_sync_steps: PositiveInt = 1
    """Learner steps between two publications of weights."""
    reference_reset: NonNegativeInt = 0
    """The reference becomes the policy every so many steps; 0 never."""
    lora_rank: NonNegativeInt = 0
    """Train low-rank adapters of this rank instead of all weights; 0 trains all."""
    lora_alpha: Positive = 16.0
    """The adapters' update is scaled by lora_alpha / lora_rank."""
    lora_dropout: ShareBelowOne = 0.0
    """Share of the adapters' inputs dropped in a learner step; searchers and evaluation drop none."""
    lora_targets: str = "all-linear"
    """Layers that get adapters: all-linear, or name endings separated by commas."""
    device: Device = AUTO
    """Where the model computes: cpu, cuda (the first GPU), cuda:1, ...; auto takes a GPU where there is one and the
    model has 20 million parameters or more. --learner.device, --search.device and --evaluation.device part them."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the weights that compute; the learner updates float32 copies of bfloat16 ones."""
    attention: str | None = None
    """Attention of every layer in place of the model's own, such as sliding-window; None keeps the model's."""
    attention_window: int | None = None
    """Keys that a query sees (tokens), for an attention that has a window."""
    intervention: str | None = None
    """Directory of an intervention that `steelyard train mean-shift` fitted (RUN/model): it changes hidden states
    wherever the model samples and learns."""
    micro_tokens: PositiveInt = 16384
    """Tokens in one forward pass of the learner: shared prompts once and no padding, or padded for other models."""
    save_steps: NonNegativeInt = 50
    """Learner steps between two checkpoints; 0 makes one only when the run is stopped."""
    keep_checkpoints: PositiveInt = 2
    """Checkpoints kept; older ones are deleted."""
    max_logp_mismatch: Positive = 0.05
    """Largest mean difference between the engine's log-probabilities and the learner's (nats per token)."""
    optimizer: Adam = field(default_factory=Adam)
    """Adam, clipping and the learning-rate schedule."""
    learner: LearnerPart = field(default_factory=LearnerPart)
    """The learner's device and memory."""
    search: SearchPart = field(default_factory=SearchPart)
    """The searchers' device."""
    evaluation: HeldOut = field(default_factory=HeldOut)
    """Held-out evaluation beside training."""
    inline: VirtualClock = field(default_factory=VirtualClock)
    """Costs and lags of --runtime inline."""
    local: Processes = field(default_factory=Processes)
    """Processes of --runtime local and --runtime ray."""
    ray: RayCluster = field(default_factory=RayCluster)
    """The cluster of --runtime ray."""
    vllm: VllmPart = field(default_factory=VllmPart)
    """The server of --engine vllm."""
    restarts: Restarts = field(default_factory=Restarts)
    """What happens when a searcher dies or hangs."""

    def __post_init__(self) -> None:
        _refuse_endless(self.task)
        _refuse_endless(self.objective)
        if self.reward is not None:
            hint = "write module:function, and give a callable to train(run, reward=...)"
            require(named_rewards(self.reward) is not None, "is no name", where="--reward", hint=hint)
        if self.constraint is not None:
            hint = "write module:function or guard:RUN"
            require(named_rewards(self.constraint) is not None, "is no name", where="--constraint", hint=hint)
            what = f"is set, but {type(self.objective).__name__} does not look at verdicts"
            hint = "use an objective that does, such as that of rows-crpg, or give it as a --reward"
            reads = "passes" in needs_of(self.objective).labels
            require(reads, what, where="--constraint", hint=hint)
        self._check_needs()
        self._check_steps()
        self._check_schedules()
        self._check_search()
        self._check_engine()
        self.chat_options  # noqa: B018  checks itself

    def _check_needs(self) -> None:
        """The objective's group size and demonstrations; its labels are looked for when the prompts are read."""
        name = type(self.objective).__name__
        number = self.num_generations
        needs = needs_of(self.objective)
        what = f"{name} learns from samples of the policy, and {self.rule_name} chooses among continuations"
        hint = "leave it out, or use an objective that takes any samples, such as vargrad-tb, kimi, dpo or sft"
        require(self.decode is None or not needs.true_samples, what, where="--decode", hint=hint)
        exact = needs.group_size
        least = needs.least_group
        hint = f"{name} compares {exact or f'at least {least}'} completions of a prompt"
        _require(number == exact if exact else number >= least, "num_generations", number, hint)
        what = f"{type(self.task).__name__} has no demonstrations"
        hint = "choose a task that has, such as arithmetic"
        require(not needs.demonstrations or isinstance(self.task, Demonstrator), what, where=name, hint=hint)
        searched = self.samples_searched
        whole = not isinstance(self.replay, SingleUse) or searched % number == 0
        hint = f"a queue gives out all that came, in groups of --num-generations: use a multiple of {number}"
        _require(whole, "search_generations", searched, hint)

    def _check_steps(self) -> None:
        """Labels of steps are read, and every line of a completion is the policy's own."""
        if self.step_reward is None:
            return
        what = f"is set, but {type(self.objective).__name__} does not learn from single steps"
        reads = "reward_PGT" in needs_of(self.objective).fields
        require(reads, what, where="--step-reward", hint="choose a recipe that does, such as rows-step-kto")
        what = f"is set, but {type(self.task).__name__} has several turns"
        hint = "have the environment give Score(reward_T=...)"
        require(not isinstance(self.task, Interactive), what, where="--step-reward", hint=hint)

    def _check_schedules(self) -> None:
        """Every schedule names a number of the objective, and stays in its range from the first step to the last."""
        if self.beta_final is not None:
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
        ladder = self.search_ladder
        for name, pair in (("search_temperatures", heats), ("search_ladder", ladder)):
            _require(pair is None or pair[0] <= pair[1], name, pair, "give the lower one first")
        apart = heats is None and self.search_temperature is None
        what = "is set, and so is another temperature of the search"
        require(ladder is None or apart, what, where="--search-ladder", hint="leave one of them out")
        hint = "take --runtime local, or leave it out"
        what = "is set, but the weights of an inline run do not change in the middle of a batch"
        require(not (self.in_flight and self.runtime == "inline"), what, where="--in-flight", hint=hint)
        what = "is set, but a decode rule goes on from what one set of weights has read"
        require(not self.in_flight or self.decode is None, what, where="--in-flight", hint="leave out one of them")
        plain = self.search.head == "own" or self.decode is None
        require(plain, "is int8, but a decode rule has none", where="--search.head", hint="leave out one of them")
        what = f"is set, but --runtime is {self.runtime}"
        here = self.ray.address is None or self.runtime == "ray"
        require(here, what, where="--ray.address", hint="add --runtime ray, or leave it out")
        what = f"is device, but --runtime is {self.runtime}"
        fits = self.local.weights == "host" or self.runtime == "local"
        require(fits, what, where="--local.weights", hint="take --runtime local, or leave it out")
        limit = self.local.search_deadline
        patient = self.runtime == "inline" or self.search_delay < limit
        hint = f"use less than --local.search-deadline, which is {limit:g}"
        _require(patient, "search_delay", self.search_delay, hint)

    def _check_engine(self) -> None:
        """A server of vLLM is named, and no engine is asked for what it has not."""
        known = self.engine in ("own", "vllm") or ":" in self.engine
        hint = "write own, vllm, or module:Class for an engine of yours"
        require(known, f"is {self.engine!r}", where="--engine", hint=hint)
        vllm, given = self.engine == "vllm", self.vllm.url is not None or self.vllm.python is not None
        hint = "give --vllm.python PATH, the interpreter of an environment with vLLM, or --vllm.url ADDRESS"
        require(given or not vllm, "is vllm, and names no server", where="--engine", hint=hint)
        what = f"is given, but --engine is {self.engine}"
        flag = "--vllm.url" if self.vllm.url is not None else "--vllm.python"
        require(vllm or not given, what, where=flag, hint="add --engine vllm, or leave it out")
        heats = (self.search_temperature or self.temperature, *(self.search_temperatures or ()))
        ours = {
            "--decode": self.decode is None,
            "--in-flight": not self.in_flight,
            "--search.head": self.search.head == "own",
        }
        local = {
            "--runtime": self.runtime != "inline",
            "--attention": self.attention is None,
            "--intervention": self.intervention is None,
            "--search-temperature": max(heats) < math.inf,
        }
        lacking = "a vLLM server does not do" if vllm else "only the engines of this package do"
        for flag, holds in ours.items() if self.engine != "own" else ():
            require(holds, f"is set to what {lacking}", where=flag, hint="leave it out, or take --engine own")
        for flag, holds in local.items() if vllm else ():
            require(holds, f"is set to what {lacking}", where=flag, hint="leave it out, or take --engine own")
        self._check_adapters(vllm)
        alone = self.num_searchers == 1 or self.vllm.url is None
        starts, others = self.vllm.start_deadline, 2 * self.local.deadline
        patient = not vllm or starts < others
        hint = "use less, or raise --local.deadline, too"
        what = f"is {starts:g}, but the learner waits for {others:g} s"
        require(patient, what, where="--vllm.start-deadline", hint=hint)
        what = f"is {self.num_searchers}, but one server has weights of one searcher"
        require(alone, what, where="--num-searchers", hint="use 1, or --vllm.python, which gives each its own server")

    def _check_adapters(self, vllm: bool) -> None:
        """Adapters go to a vLLM server as it can take them."""
        merged = self.vllm.lora == "merged"
        hint = "leave it out, or add --engine vllm and --lora-rank"
        what = "is merged, but no adapters go to a vLLM server"
        require(not merged or (vllm and self.lora_rank > 0), what, where="--vllm.lora", hint=hint)
        what = f"is {self.lora_rank}, and vLLM takes adapters up to {RANKS[-1]}"
        fits = not vllm or merged or self.lora_rank <= RANKS[-1]
        require(fits, what, where="--lora-rank", hint="use less, or add --vllm.lora merged")

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

    def placed(self, part: Part) -> tuple[str, str]:
        """The device of a part, by name, and the flag that says so."""
        own = getattr(self, part).device
        return (self.device, "--device") if own is None else (own, f"--{part}.device")

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
    def chat_options(self) -> JsonObject:
        """The arguments of the chat template.

        Raises:
            SteelyardError: they are no JSON object, or one is not the template's.
        """
        return read_options(self.chat_template_kwargs)

    @property
    def lora(self) -> LoRA | None:
        """The adapters' settings, or None where all weights are trained."""
        return LoRA.of(self.lora_rank, self.lora_alpha, self.lora_dropout, self.lora_targets)

    @property
    def sampling(self) -> Sampling:
        """How searchers sample."""
        return Sampling(self.search_temperature or self.temperature, self.max_completion_length, stop=self.stops)

    @property
    def stops(self) -> tuple[str, ...]:
        """The strings that end a completion: its own, or else its task's."""
        if self.stop is not None:
            return self.stop
        return tuple(self.task.stop) if isinstance(self.task, Stops) else ()

    @property
    def rule_name(self) -> str | None:
        """The id of the decode rule, or its class's name; None without a rule."""
        return None if self.decode is None else id_of(self.decode) or type(self.decode).__name__

    @property
    def temperature_schedule(self) -> TemperatureSchedule | None:
        """How the temperature varies between searcher batches, or None where it does not."""
        varied = self.search_temperatures
        return None if varied is None else TemperatureSchedule(*varied, self.seed)

    def rung(self, searcher: int) -> float | None:
        """The temperature of one searcher, counted from 0; None where all have the same."""
        ladder = self.search_ladder
        return None if ladder is None else TemperatureLadder(*ladder, self.num_searchers).of(searcher)

    @property
    def schedules(self) -> dict[str, Schedule]:
        """Setting of the objective -> its schedule, `beta_final` among them."""
        if self.beta_final is None:
            return self.schedule
        return {**self.schedule, "beta": Schedule(setting(self.objective, "beta"), self.beta_final, self.beta_steps)}


def _refuse_endless(part: object) -> None:
    """Refuse infinity and nan among the numbers of a part, also of one that states no limits."""
    for name, value in settings(part).items() if is_dataclass(part) else ():
        endless = isinstance(value, float) and not math.isfinite(value)
        require(not endless, f"is {value}", where=f"--{name.replace('_', '-')}", hint="use a finite number")


def _require(condition: bool, name: str, value: object, hint: str) -> None:
    require(condition, f"is {value}", where=f"--{name.replace('_', '-')}", hint=hint)
