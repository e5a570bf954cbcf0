"""Little's law on the virtual clock of the simulated runtime: by hand, over losses, and where a count is wrong."""

from dataclasses import replace

import pytest

from steelyard.core import FaultError, Prompt
from steelyard.objective import DrGRPO
from steelyard.recipes import find
from steelyard.replay import SingleUse
from steelyard.runtime import HeldOut, Run
from steelyard.runtime.coordinator import messages as m
from steelyard.runtime.coordinator.workers import Worker
from steelyard.runtime.run_statistics import RunStatistics
from steelyard.runtime.simulated.costs import Costs
from steelyard.runtime.simulated.driver import Simulation
from steelyard.searcher import Assignment

PROMPTS = [Prompt(f"p{i}", f"p{i}") for i in range(64)]
COSTS = Costs(wave=2.0, step=1.0)
NEVER = HeldOut(every=1000)
RUN = replace(find("arithmetic"), num_prompts=4, search_prompts=4, num_generations=2, max_steps=60, evaluation=NEVER)
QUEUE = replace(RUN, objective=DrGRPO(max_length=20), replay=SingleUse())


def simulated(run: Run, costs: Costs = COSTS, **settings) -> Simulation:
    simulation = Simulation(run, PROMPTS, costs, **settings)
    simulation.observe()
    return simulation


def test_the_figures_of_one_searcher_by_hand():
    """A batch of 8 takes 2 s, and the searcher holds two: 16 under way, 4 a second, each for 4 s."""
    found = simulated(QUEUE).flowing
    assert found is not None
    assert found.under_way == pytest.approx(16)
    assert found.per_s == pytest.approx(4, rel=0.15)  # a window has five batches in it, or six
    assert found.seconds == pytest.approx(4)
    assert found.expected == pytest.approx(16)
    assert not found.wrong


@pytest.mark.parametrize("way", ["streaming", "barrier"])
@pytest.mark.parametrize("cores", [None, 2.0])
def test_the_law_holds_whatever_is_simulated(way, cores):
    run = replace(RUN, num_searchers=3, search_delay=0.5)
    costs = Costs(wave=2.0, score=0.3, step=0.7, publish=0.2, store=0.01, draw=0.05, lengths=(3, 5, 40))
    found = simulated(run, costs, way=way, cores=cores).flowing
    assert found is not None
    assert found.under_way == pytest.approx(found.expected, rel=1e-6)
    assert found.seconds > 2.0


def test_the_law_holds_when_searchers_die_and_their_work_goes_to_others():
    simulation = Simulation(replace(RUN, num_searchers=3), PROMPTS, COSTS)
    handle = simulation._coordinator.handle

    def hurt(message, now):
        """Every few messages a searcher is lost, which the coordinator finds back at once."""
        if isinstance(message, m.BatchDone) and int(now) % 6 == 0:
            commands = handle(m.WorkerLost(message.worker, "died"), now)
            simulation.flow.note(now, commands, m.WorkerLost(message.worker, "died"))
            message = m.WorkerReady(message.worker)
        return handle(message, now)

    simulation._coordinator.handle = hurt
    simulation._coordinator.failures.note = lambda *_: 0.0
    simulation.observe()
    found = simulation.flowing
    assert found is not None
    assert found.under_way == pytest.approx(found.expected, rel=1e-6)
    assert simulation.flow._withdrawn > 0


def test_a_count_that_is_doubled_is_called_wrong(monkeypatch):
    found = RunStatistics.found

    def twice(self, trajectories):
        found(self, trajectories)
        self.trajectories += len(trajectories)

    monkeypatch.setattr(RunStatistics, "found", twice)
    with pytest.raises(FaultError, match=r"a count is wrong: 16 samples under way, where \d.* a second x 4 s each"):
        simulated(QUEUE)


def test_samples_that_stay_in_the_books_for_ever_are_called_wrong(monkeypatch):
    owed = Worker.owed
    never = [Assignment(0, 10**6 + i) for i in range(4)]
    monkeypatch.setattr(Worker, "owed", lambda self: [*owed(self), *never])
    with pytest.raises(FaultError, match=r"20 samples under way, where .* are 16;"):
        simulated(QUEUE)
