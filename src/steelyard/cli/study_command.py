"""`steelyard study NAME`: a measured claim, with its table and its verdict."""

from collections.abc import Mapping, Sequence

from steelyard.cli.flags import choose, parse
from steelyard.experiments import studies

PURPOSE = "Measure a claim: several runs side by side, each with several seeds, a table, and a verdict that can fail."


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Run the study; print its table."""
    name = choose(words, studies.summaries(), command="study", what="NAME", purpose=PURPOSE)
    found = studies.find(name)
    asked = parse(found.Study, words[1:], command=f"study {name}", description=found.__doc__)
    return {"study": name, **found.measure(asked)}
