"""Several answers of a generator to each prompt, with what a judge makes of them.

    y_1 ... y_K ~ generator(x),    r_k = judge(x, y_k)

An answer that is blank or was cut off at the length limit is no candidate, and neither is one that the judge cannot
rate; of equal answers the first stands for all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steelyard.data.builder import Question, Tools
from steelyard.data.endings import written
from steelyard.data.record import Record

PROMPT = "prompt"


@dataclass(frozen=True)
class Candidate:
    """An answer to a prompt."""

    answer: str
    reward: float


def candidates(
    part: Sequence[Record], every: Sequence[Record], samples: int, tools: Tools
) -> Mapping[str, Sequence[Candidate]]:
    """Record -> its rated answers, the best one first and of equals the one that was written first.

    Args:
        part: records with a prompt.
        every: those that `part` is of; their columns are shown to the judge.
        samples: K, answers that are asked for.
        tools: who writes and who rates.
    """
    if not part:
        return {}
    asked = [Question(record.fields[PROMPT], (record.id,), k) for record in part for k in range(samples)]
    said = zip((record for record in part for _ in range(samples)), written(tools, asked), strict=True)
    whole = dict.fromkeys((record.id, one.text) for record, one in said if one.ended and one.text.strip())
    by_id = {record.id: record for record in part}
    of = [by_id[id].fields for id, _ in whole]
    names = sorted({name for record in every for name in record.fields} - {PROMPT})
    columns = {name: [fields.get(name) for fields in of] for name in names}
    rated = tools.rate([fields[PROMPT] for fields in of], [answer for _, answer in whole], columns)
    found: dict[str, list[Candidate]] = {record.id: [] for record in part}
    for (id, answer), reward in zip(whole, rated, strict=True):
        if reward is not None:
            found[id].append(Candidate(answer, reward))
    return {id: sorted(some, key=lambda one: -one.reward) for id, some in found.items()}
