"""Calls of a reward that come one by one from many threads, scored together.

Whatever comes while a call is under way waits for the next one, which takes all that wait, at most `AT_ONCE`. So a
verifier that is fast gets single episodes, and one that is slow gets batches; none is ever asked twice at a time.
"""

from collections import deque
from concurrent.futures import Future
from threading import Lock

from steelyard.core import Episode, Reward, Score, require
from steelyard.core.copies import own_episodes

AT_ONCE = 64
"""Episodes in a call, as a searcher gives them."""


class Gathered:
    """A reward, asked about one episode at a time from any thread.

    Args:
        reward: scores the batches, and gets copies of the episodes.
    """

    def __init__(self, reward: Reward) -> None:
        self._reward = reward
        self._waiting: deque[tuple[Episode, Future[Score]]] = deque()
        self._scoring = Lock()

    def __call__(self, episode: Episode) -> Score:
        """Its score.

        Raises:
            Exception: whatever the reward raised for the batch.
        """
        mine: Future[Score] = Future()
        self._waiting.append((episode, mine))
        with self._scoring:
            while not mine.done():
                self._score_next()
        return mine.result()

    def _score_next(self) -> None:
        """Score the episodes that have waited longest; only one thread at a time does."""
        batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        try:
            scores = self._reward(own_episodes([episode for episode, _ in batch]))
            what = f"{len(scores)} scores for {len(batch)} turns"
            require(len(scores) == len(batch), what, where="verifier", hint="return one score for each, in order")
        except BaseException as error:  # noqa: BLE001  (not hidden: every caller gets it)
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), score in zip(batch, scores, strict=True):
            future.set_result(score)
