"""A fourth driver of the coordinator: nothing is computed, and everything takes as long as it costs.

Searchers, learner, evaluator and driver are simulated processes; the coordinator and the replay are those of every run.
What a run would do with so many searchers, on so many cores, with weights published so often, is seen in seconds.

`streaming` is this project's way: searchers hand on chunks as they finish, and take up weights once these are there.
`barrier` is that of the published code: from the beginning of the last step before a synchronisation, searchers stop
after the batch that they are at; the learner waits for the slowest of them; then weights go out, and all that was found
since the last synchronisation comes in.
On shared cores the learner writes its weights itself; from a device of its own they go while it goes on.
No effective sample size is measured, so a replay's `min_ess` leaves nothing out here.
Source: arXiv:2503.18929, and the code that was published with it.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Literal

from steelyard.core import FaultError, Prompt
from steelyard.eval.answers import CHUNK
from steelyard.runtime.coordinator import Coordinator, Profile
from steelyard.runtime.coordinator import commands as c
from steelyard.runtime.coordinator import messages as m
from steelyard.runtime.coordinator.flow import Flow, Flowing
from steelyard.runtime.factories import make_replay
from steelyard.runtime.roles.serve import YIELDS
from steelyard.runtime.run import Run
from steelyard.runtime.simulated.coarse import Finder, coarse, digest_of, grain_of
from steelyard.runtime.simulated.costs import Costs
from steelyard.runtime.simulated.devices import OwnDevices, SharedCores
from steelyard.runtime.simulated.observed import Observed, Tally
from steelyard.runtime.simulated.processes import Mailbox, Pause, Process, Processes, Work
from steelyard.runtime.simulated.withheld import Withheld

Way = Literal["streaming", "barrier"]
"""How data and weights travel."""
YIELDING = 1.25**-YIELDS
"""The weight of searchers and evaluator on shared cores; that of learner and driver is 1."""


class Simulation:
    """One simulated run.

    Args:
        run: the settings: searchers, sizes, replay, curriculum, `weight_sync_steps`, `max_steps`.
        prompts: the training prompts.
        costs: what everything costs.
        cores: cores that all processes share; None gives each a device of its own.
        way: how data and weights travel.
        settling: first steps that are not counted: until the replay holds data of every age, it is fresher than later.
    """

    def __init__(
        self,
        run: Run,
        prompts: Sequence[Prompt],
        costs: Costs,
        *,
        cores: float | None = None,
        way: Way = "streaming",
        settling: int = 0,
    ) -> None:
        self._settling = settling
        waves = run.max_steps * costs.step * run.num_searchers / (costs.wave + costs.score + run.search_delay)
        grain = grain_of(run, waves * run.search_prompts * run.samples_searched)
        self._grain = grain.completions
        self._run = coarse(run, grain)
        self._costs = costs
        prompts = prompts[: max(1, len(prompts) // grain.prompts)]
        self._barrier = Barrier() if way == "barrier" else None
        self._shared = cores is not None
        self._processes = Processes(OwnDevices() if cores is None else SharedCores(cores))
        self._coordinator = Coordinator(self._run, prompts, Profile(batches_ahead=1 if self._barrier else 2))
        self.flow = Flow(self._coordinator)
        self.flowing: Flowing | None = None
        """How samples flowed in the last virtual seconds, up to the newest step."""
        self._finder = Finder(prompts, costs.lengths, run.seed, max(1, CHUNK // self._grain))
        self._tally = Tally()
        self._steps = 0
        self._visible = 0  # the newest version that searchers can take up
        self._inbox: Mailbox[tuple[m.Message, float]] = Mailbox()
        self._boxes: dict[str, Mailbox[Any]] = {name: Mailbox() for name in self._coordinator.workers}
        self._commands: dict[type, Callable[[Any], None]] = {
            c.Assign: lambda command: self._send(command.worker, command.assignments),
            c.Feed: lambda command: self._send("learner", command),
            c.Evaluate: lambda _: self._send("evaluator", None),
            c.Save: lambda command: self._tell(m.Saved(command.what)),
        }

    def observe(self) -> Observed:
        """Carry the run out.

        Raises:
            StallError: the learner waits for data that nobody will bring.
            FaultError: the run's books are wrong.
        """
        searchers = [worker.name for worker in self._coordinator.of("searcher")]
        replay = make_replay(self._run)
        self._withheld = Withheld(replay) if self._barrier else None
        with closing(replay):
            for name in self._coordinator.workers:
                self._coordinator.handle(m.WorkerReady(name), 0.0)
            self._coordinator.handle(m.Published(0, digest_of(0)), 0.0)
            for process in (self._serve(), self._evaluate(), *map(self._search, searchers)):
                self._processes.spawn(process)
            commands = self._coordinator.begin(self._withheld or replay, 0.0)
            self.flow.note(0.0, commands)
            self._carry_out(commands)
            self._processes.spawn(self._learn())
            self._processes.run(lambda: self._steps >= self._run.max_steps)
            if self.flowing is not None and self.flowing.wrong:
                raise FaultError(
                    self.flowing.warning, where="simulated run", hint="report this: it is a mistake of ours"
                )
            return self._tally.observed(
                steps=self._steps - self._settling,
                now=self._processes.now,
                searchers=len(searchers),
                stored=int(replay.metrics()["replay/size"]),
                grain=self._grain,
            )

    # The driver

    def _send(self, name: str, message: object) -> None:
        self._processes.send(self._boxes[name], message)

    def _tell(self, message: m.Message, cost: float = 0.0) -> None:
        """Put a message into the driver's inbox, with the seconds that it costs there."""
        self._processes.send(self._inbox, (message, cost))

    def _carry_out(self, commands: Sequence[c.Command]) -> None:
        for command in commands:
            self._commands.get(type(command), lambda _: None)(command)

    def _serve(self) -> Process:
        while True:
            message, cost = yield self._inbox
            if cost:
                self._tally.driver_busy += cost
                yield Work(cost)
            commands = self._coordinator.handle(message, self._processes.now)
            self.flow.note(self._processes.now, commands, message)
            self._carry_out(commands)

    # Searchers

    def _search(self, name: str) -> Process:
        costs = self._costs
        box = self._boxes[name]
        while True:
            began = self._processes.now
            if self._barrier is not None and self._barrier.closing:
                yield self._barrier.stop(name, self._processes)
            assignments = yield box
            got = self._processes.now
            self._tally.searcher_idle += got - began
            for share, found in self._finder.find(assignments, self._visible):
                yield Work(share * (costs.wave + costs.score), YIELDING)
                self._tally.found(found)
                self._tell(m.Found(name, found), costs.store * self._grain * len(found))
            yield Pause(self._run.search_delay)
            self._tell(m.BatchDone(name, self._processes.now - got, got - began))

    # Learner

    def _learn(self) -> Process:
        metrics = None
        idle = 0.0
        while True:
            self._tell(m.Stepped(self._steps, self._steps, metrics, idle), self._costs.draw)
            waiting = self._processes.now
            feed = yield self._boxes["learner"]
            idle = self._processes.now - waiting
            self._tally.trained(feed.groups, self._steps)
            if self._barrier is not None and feed.publish:
                self._barrier.closing = True
            yield Work(self._costs.step)
            self._steps += 1
            self.flowing = self.flow.look()
            if self._steps == self._settling:
                self._tally = Tally()
                self._tally.began = self._processes.now
            if self._barrier is not None and feed.publish:
                waiting = self._processes.now
                yield from self._synchronise()
                idle += self._processes.now - waiting
            elif feed.publish:
                yield from self._publish()
            self._tally.learner_idle += idle
            metrics = {"batch/staleness": {}}

    def _publish(self) -> Process:
        if self._shared:
            yield Work(self._costs.publish)
        self._tell(m.Published(self._steps, digest_of(self._steps)))
        self._processes.spawn(self._show(self._steps, 0.0 if self._shared else self._costs.publish))

    def _show(self, version: int, after: float) -> Process:
        yield Pause(after)
        self._visible = version

    def _synchronise(self) -> Process:
        """Wait for all searchers, send weights out and let data in."""
        assert self._barrier is not None and self._withheld is not None
        while len(self._barrier.stopped) < self._run.num_searchers:
            yield self._barrier.arrivals
        yield Pause(self._costs.publish)
        self._withheld.publish(self._steps, digest_of(self._steps))
        self._withheld.let_in(self._steps)
        self._visible = self._steps
        self._barrier.open(self._processes)

    # Evaluator

    def _evaluate(self) -> Process:
        while True:
            yield self._boxes["evaluator"]
            version = self._visible
            yield Work(self._costs.evaluate, YIELDING)
            self._tell(m.Evaluated({"version": version}, [], self._costs.evaluate))


class Barrier:
    """Where searchers wait at a synchronisation."""

    def __init__(self) -> None:
        self.closing = False
        """Searchers stop before their next batch."""
        self.stopped: dict[str, Mailbox[None]] = {}
        """Who waits, and where."""
        self.arrivals: Mailbox[None] = Mailbox()
        """A message for each who comes."""

    def stop(self, name: str, processes: Processes) -> Mailbox[None]:
        """What a searcher waits at."""
        self.stopped[name] = Mailbox()
        processes.send(self.arrivals, None)
        return self.stopped[name]

    def open(self, processes: Processes) -> None:
        """Let everybody go on."""
        self.closing = False
        waiting, self.stopped = self.stopped, {}
        for gate in waiting.values():
            processes.send(gate, None)
