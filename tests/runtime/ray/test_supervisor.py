"""The order of words and of weights, with a stand-in for Ray: nothing here needs the package."""

from types import SimpleNamespace
from typing import Any

import pytest

from steelyard.objective import VarGradTB
from steelyard.runtime import Run
from steelyard.runtime.coordinator.messages import Stepped
from steelyard.runtime.coordinator.workers import Role
from steelyard.runtime.ray.supervisor import _SHOWN_AT_ONCE, ActorChild, ActorSupervisor
from steelyard.runtime.roles.messages import Built, Placed, pack
from steelyard.runtime.roles.supervision import WorkerSpec
from steelyard.task.arithmetic import Arithmetic

RUN = Run(task=Arithmetic(problems=8, held_out=2), objective=VarGradTB(), model="steelyard/arithmetic")


class Handle:
    """An actor that says what it is given to say."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.seen: list[int] = []
        self.hear = self.tell = self.show = self

    def remote(self, *given: Any) -> "Handle":
        if given and given[0] == "weights":
            self.seen.append(given[1])
        return self


class StandIn:
    """So much of Ray as a supervisor asks for."""

    exceptions = SimpleNamespace(RayTaskError=KeyError, RayError=OSError)

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "here")

    def remote(self, kind: type) -> type:
        return kind

    def wait(self, calls: list[Handle], num_returns: int = 1, timeout: float = 0.0) -> tuple[list[Handle], list[Any]]:
        return [call for call in calls if call.said], []

    def get(self, call: Handle, timeout: float) -> tuple[list[Any], bool]:
        said, call.said = call.said, []
        return said, False


@pytest.fixture
def supervisor() -> ActorSupervisor:
    found = ActorSupervisor(WorkerSpec(RUN, True, 0, None), StandIn())
    found._placed |= {"searcher", "learner", "evaluator"}
    return found


def seat(supervisor: ActorSupervisor, role: Role, name: str) -> Handle:
    handle = Handle()
    supervisor.children[name] = ActorChild(role, name, handle, pid=1, hearing=handle)
    return handle


def word(message: Any) -> tuple[bytes, None]:
    return pack(message), None


def test_the_learner_overtakes_searchers_that_have_spoken_before_it(supervisor: ActorSupervisor) -> None:
    searchers = [seat(supervisor, "searcher", f"searcher {i}") for i in range(3)]
    learner = seat(supervisor, "learner", "learner")
    for handle in searchers:
        handle.said = [word(Built())]
    heard = []
    for child, message in supervisor.listen(0.0):
        heard.append(child.name)
        if len(heard) == 1:  # meanwhile
            learner.said = [word(Stepped(1, 1, None, 0.0))]
        if isinstance(message, Stepped):
            learner.said = []
    assert heard == ["searcher 0", "learner", "searcher 1", "searcher 2"]


def test_weights_reach_the_evaluator_at_once_and_of_many_searchers_first_those_with_old_ones(
    supervisor: ActorSupervisor,
) -> None:
    number = _SHOWN_AT_ONCE + 8
    searchers = [seat(supervisor, "searcher", f"searcher {i}") for i in range(number)]
    learner = seat(supervisor, "learner", "learner")
    evaluator = seat(supervisor, "evaluator", "evaluator")
    learner.said = [(("weights", 1, "a"), object()), word(Placed(1, "here"))]
    for _, message in supervisor.listen(0.0):
        assert isinstance(message, Placed)
        assert evaluator.seen == [1], "whoever hears of the next word may ask it to measure"
        assert sum(handle.seen == [1] for handle in searchers) == _SHOWN_AT_ONCE - 1
    assert all(handle.seen == [1] for handle in searchers), "the others come with the end of this look"
    learner.said = [(("weights", 2, "b"), object()), (("weights", 3, "c"), object())]
    assert list(supervisor.listen(0.0)) == []
    assert all(handle.seen[-1] == 3 or handle.seen == [1, 2] for handle in searchers)
    for _ in range(2):
        assert list(supervisor.listen(0.0)) == []
    assert all(handle.seen[-1] == 3 for handle in (*searchers, evaluator))
    assert learner.seen == []
