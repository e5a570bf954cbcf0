"""Searchers without a model, by the thousand, and the driver that they load.

    Crowd            a Ray actor that is many workers of a run, each with a letter box, work and a clock of its own
    Seat             one of them, to the driver an actor as any other
    CrowdSupervisor  the supervisor of every Ray run, but for where its actors come from
    LoadDriver       the driver of every Ray run, with stop-watches around its parts

A searcher of the crowd hands a batch over whenever its clock says so, and waits if it has not been given one. The
learner takes `step_s` for a step and publishes as many bytes after each.
"""

import asyncio
import os
import platform
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.core import Sampling, Trajectory, to_bytes
from steelyard.core.json import JsonObject
from steelyard.experiments.bench.measuring import processor_use, resident_mib
from steelyard.runtime import Ray
from steelyard.runtime.coordinator import messages as m
from steelyard.runtime.coordinator.workers import Worker
from steelyard.runtime.ray.mail import Said
from steelyard.runtime.ray.supervisor import ActorChild, ActorSupervisor
from steelyard.runtime.roles import messages as wire
from steelyard.runtime.roles.supervision import WorkerSpec

STEPS = 64
PROMPT = 20
"""Tokens of a trajectory, and those of its prompt."""
WEIGHTS = 2**20
"""Bytes of each version."""


def digest_of(version: int) -> str:
    """Stands for the digest of a version's weights."""
    return f"{version:016x}"


class Crowd:
    """Many workers of a run in one process.

    Args:
        ids: of the training prompts that assignments point into.
        rate: trajectories a second that all searchers offer together; infinite: as many as are asked for.
        searchers: how many share that rate.
        step_s: what a learner step takes.
    """

    def __init__(self, ids: Sequence[str], rate: float, searchers: int, step_s: float) -> None:
        self._ids = ids
        self._rate = rate / searchers
        self._step_s = step_s
        self._boxes: dict[str, _Boxes] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # who holds no task may find it collected
        self._draws = np.random.default_rng(0)
        self._made = 0
        self._version = 0

    async def hear(self, name: str, seconds: float) -> tuple[list[Said], bool]:
        """As `Part.hear`, of one worker."""
        return await self._of(name).take(seconds)

    async def tell(self, name: str, number: int, data: bytes) -> None:
        """As `Part.tell`. The first message says which role the worker has."""
        boxes = self._of(name)
        message = wire.unpack_down(data)
        if isinstance(message, wire.Build):
            boxes.say(wire.Placed(os.getpid(), platform.node()))
            work = {"searcher": self._search, "learner": self._learn, "evaluator": self._evaluate}[message.role]
            task = asyncio.get_running_loop().create_task(work(boxes))
            self._tasks.add(task)
        else:
            boxes.told.put_nowait((number, message))

    async def show(self, name: str, which: str, version: int, digest: str, references: list[Any]) -> None:
        """As `Part.show`. A process pulls weights once for all that it is, so these are not pulled."""
        if which == "weights":
            self._version = max(version, self._version)

    def cpu(self) -> float:
        """Seconds of processor time."""
        return processor_seconds()

    def _of(self, name: str) -> "_Boxes":
        return self._boxes.setdefault(name, _Boxes())

    async def _search(self, boxes: "_Boxes") -> None:
        boxes.say(wire.Built())
        due: float | None = None
        while not isinstance(message := await boxes.next(), wire.End):
            if not isinstance(message, wire.Draw):
                continue
            period = len(message.items) / self._rate
            now = time.monotonic()
            # Each begins somewhere in its period; one that was held up does not catch up.
            due = now + period * self._draws.random() if due is None else max(due + period, now)
            if due > now:
                await asyncio.sleep(due - now)
            boxes.say(wire.FoundBytes([self._made_up(*item) for item in message.items]))
            boxes.say(wire.Drawn(busy=period, idle=0.0))

    def _made_up(self, prompt: int, sample: int) -> bytes:
        self._made += 1
        tokens_T = _TOKENS_T.copy()
        tokens_T[-2:] = divmod(self._made, 2**16)
        return to_bytes(
            Trajectory(
                prompt_id=self._ids[prompt],
                tokens_T=tokens_T,
                action_T=_ACTION_T,
                logp_behaviour_T=_LOGP_T,
                version=self._version,
                digest=digest_of(self._version),
                sampling=_SAMPLING,
                finish="stop",
                sample=sample,
                logp_ref_T=_LOGP_T,
                reward=float(self._draws.random()),
            )
        )

    async def _learn(self, boxes: "_Boxes") -> None:
        self._publish(boxes, 0)
        boxes.say(wire.Built())
        await boxes.next()
        steps = 0
        metrics: JsonObject | None = None
        idle = 0.0
        while True:
            boxes.say(wire.Stepped(steps, steps, metrics, idle))
            asked = time.monotonic()
            message = await boxes.next()
            if not isinstance(message, wire.TrainOn):
                return
            idle = time.monotonic() - asked
            await asyncio.sleep(self._step_s)
            steps += 1
            if message.publish:
                self._publish(boxes, steps)
            metrics = {"batch/staleness": {}}

    def _publish(self, boxes: "_Boxes", version: int) -> None:
        import ray

        boxes.say(wire.Published(version, digest_of(version)))
        boxes.offer(("weights", version, digest_of(version)), ray.put(np.zeros(WEIGHTS, np.uint8)))

    async def _evaluate(self, boxes: "_Boxes") -> None:
        boxes.say(wire.Built())
        while not isinstance(message := await boxes.next(), wire.End):
            if isinstance(message, wire.EvaluateVersion):
                boxes.say(wire.Evaluated({"version": 0}, [], 0.0))


_TOKENS_T = np.random.default_rng(0).integers(0, 50_000, STEPS, dtype=np.int32)
_ACTION_T = np.arange(STEPS) >= PROMPT
_LOGP_T = np.where(_ACTION_T, -1.0, 0.0).astype(np.float32)
_SAMPLING = Sampling()


class _Boxes:
    """The letter boxes of one worker; calls of one caller arrive in order here."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[tuple[int, wire.Down]] = asyncio.Queue()
        self._said: list[Said] = []
        self._spoke = asyncio.Event()

    def say(self, message: wire.Up) -> None:
        self._said.append((wire.pack(message), None))
        self._spoke.set()

    def offer(self, offer: tuple[str, int, str], reference: Any) -> None:
        self._said.append((offer, reference))
        self._spoke.set()

    async def next(self) -> wire.Down:
        return (await self.told.get())[1]

    async def take(self, seconds: float) -> tuple[list[Said], bool]:
        try:
            await asyncio.wait_for(self._spoke.wait(), seconds)
        except TimeoutError:
            return [], False
        self._spoke.clear()
        said, self._said = self._said, []
        return said, False


class Seat:
    """One worker of a crowd, called as an actor is.

    Args:
        crowd: the handle of the actor.
        name: the worker's.
    """

    def __init__(self, crowd: Any, name: str) -> None:
        self.hear, self.tell, self.show = (_Call(getattr(crowd, word), name) for word in ("hear", "tell", "show"))


class _Call:
    def __init__(self, method: Any, name: str) -> None:
        self._method = method
        self._name = name

    def remote(self, *given: Any) -> Any:
        return self._method.remote(self._name, *given)


class CrowdSupervisor(ActorSupervisor):
    """Seats of two crowds in place of actors: one of all searchers, one of learner and evaluator."""

    def __init__(self, spec: WorkerSpec, ray: Any, crowds: tuple[Any, Any]) -> None:
        super().__init__(spec, ray)
        self._crowds = crowds

    def start(self, worker: Worker) -> ActorChild:
        """Ask for a seat."""
        crowd = self._crowds[0 if worker.role == "searcher" else 1]
        child = ActorChild(worker.role, worker.name, Seat(crowd, worker.name))
        child.tell(self.spec.build(worker.role))
        for offer, reference in self._offers.values():
            child.show(offer, reference)
        child.hear()
        self.children[worker.name] = child
        return child

    def dismiss(self, *, at_once: bool = False) -> None:
        """End both crowds."""
        for crowd in self._crowds:
            self._ray.kill(crowd)


class LoadDriver(Ray):
    """A driver that takes notes; see `Driver` for its arguments, and `Crowd` for `rate` and `step_s`."""

    rate: float
    step_s: float

    def _supervise(self, spec: WorkerSpec) -> CrowdSupervisor:
        kind = self._ray.remote(Crowd).options(num_cpus=0, max_concurrency=8 * len(self.coordinator.workers) + 64)
        given = ([prompt.id for prompt in self.prompts], self.rate, self.run.num_searchers, self.step_s)
        self._crowds = (kind.remote(*given), kind.remote(*given))
        return CrowdSupervisor(spec, self._ray, self._crowds)

    def observe(self, settle_s: float, seconds: float) -> JsonObject:
        """Begin the run, let it settle until all are there, and take notes for so long."""
        self._waits: list[float] = []
        self._draws: list[float] = []
        self._spent = {"decode": 0.0, "decide": 0.0}
        with self._open():
            try:
                self._start()
                self._serve(lambda: self.coordinator.all_ready)
                self._serve_for(settle_s)
                return self._noted(seconds)
            finally:
                self._close()

    def _serve_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._serve(lambda: time.monotonic() > until)

    def _noted(self, seconds: float) -> JsonObject:
        sample = self.replay.sample

        def timed(*given: Any, **named: Any) -> Any:
            began = time.perf_counter()
            found = sample(*given, **named)
            if found is not None:
                self._draws.append(time.perf_counter() - began)
            return found

        self.replay.sample = timed  # type: ignore[method-assign]
        self._waits.clear()
        self._spent = dict.fromkeys(self._spent, 0.0)
        before = self._meters()
        self._serve_for(seconds)
        gone = {name: now - before[name] for name, now in self._meters().items()}
        accepted = gone["accepted"]
        return {
            "accepted_per_s": accepted / gone["wall"],
            "step_s": gone["wall"] / max(gone["steps"], 1.0),
            "waits_ms": [1e3 * s for s in self._waits],
            "draws_ms": [1e3 * s for s in self._draws],
            "driver_busy": gone["driver"] / gone["wall"],
            "driver_us": 1e6 * gone["driver"] / max(accepted, 1.0),
            "servers_us": 1e6 * gone["servers"] / max(accepted, 1.0),
            "searchers_busy": gone["searchers"] / gone["wall"],
            "decode_us": 1e6 * self._spent["decode"] / max(accepted, 1.0),
            "decide_us": 1e6 * self._spent["decide"] / max(accepted, 1.0),
            "resident_mib": resident_mib(),
            "owed": sum(len(worker.owed()) for worker in self.coordinator.of("searcher")),
        }

    def _meters(self) -> dict[str, float]:
        crowd = self._ray.get(self._crowds[0].cpu.remote(), timeout=60)
        return {
            "wall": time.monotonic(),
            "accepted": float(self.coordinator.statistics.trajectories),
            "steps": float(self.coordinator.steps),
            "driver": processor_seconds(),
            "servers": servers_seconds(),
            "searchers": crowd,
        }

    def _translated(self, child: Any, message: Any) -> list[m.Message]:
        began = time.perf_counter()
        found = super()._translated(child, message)
        self._spent["decode"] += time.perf_counter() - began
        return found

    def _tell(self, message: m.Message) -> None:
        if isinstance(message, m.Stepped) and message.metrics is not None:
            self._waits.append(message.idle)
        began = time.perf_counter()
        commands = self.coordinator.handle(message, time.monotonic())
        self._spent["decide"] += time.perf_counter() - began
        self._carry_out(commands)


def processor_seconds() -> float:
    """What this process has computed, in all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def servers_seconds() -> float:
    """The same of Ray's two servers, which are children of this process where it has started them."""
    found = 0.0
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        name, used_s = processor_use(int(pid))
        if name in ("raylet", "gcs_server"):
            found += used_s
    return found
