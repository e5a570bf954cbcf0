"""`steelyard study NAME`: a measured claim, with its table and its verdict."""

from collections.abc import Mapping, Sequence

from steelyard.cli.flags import choose, parse
from steelyard.core import require
from steelyard.experiments import studies

PURPOSE = "Measure a claim: several runs side by side, each with several seeds, a table, and a verdict that can fail."


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Run the study; print its table."""
    name = choose(words, studies.summaries(), command="study", what="NAME", purpose=PURPOSE)
    found = studies.find(name)
    asked = parse(found.Study, words[1:], command=f"study {name}", description=found.__doc__)
    for count in ("seeds", "steps"):
        value = getattr(asked, count, 1)
        require(value >= 1, f"is {value}", where=f"--{count}", hint="use 1 or more")
    return {"study": name, **found.measure(asked)}
