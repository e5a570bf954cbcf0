"""A saved model's card says what was measured, in a header and a text that need nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

from steelyard.report import write_model_card
from steelyard.report.model_card import MODEL

NOT_MEASURED = "Only what stands above was measured"


def saved(run: Path, /, **config: object) -> str:
    """The card of a run that saved a model, with other entries in its config."""
    (run / MODEL).mkdir()
    (run / MODEL / "config.json").write_text("{}")
    was = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(was | config))
    page = write_model_card(run)
    assert page == run / MODEL / "README.md"
    return page.read_text()


def test_a_card_of_a_whole_run(make_run: Callable[..., Path]) -> None:
    import steelyard.objective  # noqa: F401  registers the method, as training does

    run = make_run()
    settings = json.loads((run / "config.json").read_text())["run"] | {"model": "EleutherAI/pythia-70m"}
    text = saved(run, run=settings, machine="two cores")
    header, body = text.removeprefix("---\n").split("\n---\n")
    assert header.splitlines() == [
        "library_name: transformers",
        "tags: [steelyard, post-training]",
        "base_model: EleutherAI/pythia-70m",
    ]
    assert "# arithmetic" in body
    assert "- objective: `vargrad-tb` (arXiv:2503.18929)" in body
    assert "steelyard train arithmetic --seed 3" in body
    assert "Seed 3. two cores" in body
    first, last = (line for line in body.splitlines() if line.startswith(("| before", "| after")))
    assert first.startswith("| before, step 0 | 7.9% [2.9%")
    assert last.startswith("| after, step ")
    assert NOT_MEASURED in body


def test_a_directory_on_this_machine_is_named_by_its_last_word(make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = make_run()
    text = saved(run, run={"model": str(tmp_path / "mine")})
    assert "from `mine`" in text
    assert "base_model" not in text
    assert str(tmp_path) not in text


def test_a_model_that_comes_with_the_package_is_no_model_of_a_hub(make_run: Callable[..., Path]) -> None:
    text = saved(make_run(), run={"model": "steelyard/arithmetic"})
    assert "from `steelyard/arithmetic`" in text
    assert "base_model" not in text


def test_nothing_is_claimed_that_was_not_measured(make_run: Callable[..., Path]) -> None:
    run = make_run()
    (run / "eval.jsonl").unlink()
    assert "Nothing was measured on held-out data." in saved(run, run={})


def test_a_run_that_saved_no_model_has_no_card(make_run: Callable[..., Path]) -> None:
    assert write_model_card(make_run()) is None
