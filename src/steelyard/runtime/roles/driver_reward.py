"""The reward of a run that a bare callable scores, as its evaluator has it: the driver does the scoring."""

from collections.abc import Sequence

from steelyard.core import Episode, Score, to_bytes
from steelyard.runtime.roles.channel import Channel
from steelyard.runtime.roles.messages import End, Scores, ScoreThese


class DriverReward:
    """Sends episodes to the driver and waits for their scores."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __str__(self) -> str:
        return "the reward of the calling process"

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order.

        Raises:
            EOFError: the driver is gone, or asks this process to end.
        """
        texts = [e.trajectory.replace(info={**e.trajectory.info, "completion": e.completion}) for e in episodes]
        self._channel.send(ScoreThese([to_bytes(t) for t in texts]))
        # The callable has no deadline, so its answer has none; the wait ends with the driver.
        answer = self._channel.receive(None, "evaluator")
        if isinstance(answer, End):
            raise EOFError
        assert isinstance(answer, Scores)
        return [Score(s.value, s.parts, s.error, read=s.read, read_from=s.read_from) for s in answer.scores]
