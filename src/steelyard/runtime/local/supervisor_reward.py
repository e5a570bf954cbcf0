"""The reward of a run that a bare callable scores, as its evaluator has it: the supervisor does the scoring."""

from collections.abc import Sequence
from multiprocessing.connection import Connection

from steelyard.core import Episode, Score, to_bytes
from steelyard.runtime.local.messages import End, Scores, ScoreThese, receive_down, send


class SupervisorReward:
    """Sends episodes to the supervisor and waits for their scores."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def __str__(self) -> str:
        return "the reward of the calling process"

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order.

        Raises:
            EOFError: the supervisor is gone, or asks this process to end.
        """
        texts = [e.trajectory.replace(info={**e.trajectory.info, "completion": e.completion}) for e in episodes]
        send(self._pipe, ScoreThese([to_bytes(t) for t in texts]))
        # The callable has no deadline, so its answer has none; the wait ends with the supervisor.
        answer = receive_down(self._pipe, None, "evaluator")
        if isinstance(answer, End):
            raise EOFError
        assert isinstance(answer, Scores)
        return [Score(s.value, s.parts, s.error, read=s.read, read_from=s.read_from) for s in answer.scores]
