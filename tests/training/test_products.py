"""Stages that name what earlier ones make: each kind of product, and names that nothing answers to."""

import json
from dataclasses import dataclass, field, replace

import pytest

from steelyard.core import SteelyardError
from steelyard.data import records_of
from steelyard.recipes import find
from steelyard.task.files import read_rows
from steelyard.training.pipeline import PipelineSettings, Stage, check_stages, uses_of
from steelyard.training.pipeline_plan import plan_pipeline
from steelyard.training.pipeline_run import Driver, begin
from steelyard.training.products import GIVEN, Product, model_of
from steelyard.training.train import resume, train

FEW = {"max_steps": 2, "threads": 1}


@dataclass(frozen=True)
class Stages:
    """A pipeline of the stages that it is given."""

    given: PipelineSettings
    parts: tuple[Stage, ...] = field(default=(), repr=False)

    @property
    def seed(self):
        return self.given.seed

    def stages(self):
        return self.parts


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Files, by the names that the stages have for them."""
    monkeypatch.chdir(tmp_path)
    rows = {
        "labelled": [{"text": f"{n}-1", "label": int(n % 4 == 0)} for n in range(80)],
        "questions": [{"prompt": f"{n}+1=", "answer": str(n + 1)} for n in range(24)],
        "pairs": [{"prompt": f"{n}-1=", "chosen": f"{n - 1}", "rejected": "a"} for n in range(1, 33)],
        "prompts": [{"prompt": f"{n}+2="} for n in range(12)],
    }
    for name, some in rows.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, some)))
    return tmp_path


def guard(**named):
    return Stage("guard", "--texts", (), replace(find("bag-guard"), texts="labelled.jsonl", **FEW), **named)


def reward(**named):
    settings = replace(find("bradley-terry"), learning_rate=1e-2, **FEW)
    return Stage("reward", "--pairs", ("pairs.jsonl",), settings, **{"uses": {"model": GIVEN}, **named})


def sampling(**uses):
    settings = replace(find("rejection-sampling"), max_completion_length=4, threads=1)
    used = {"generator": GIVEN, "judge": Product("reward", "reward", as_reward=True), **uses}
    return Stage("sampling", "--prompts", ("prompts.jsonl",), settings, uses=used)


def sft(name="sft", **named):
    settings = replace(find("sft"), max_completion_length=4, **FEW)
    return Stage(name, "--sft", ("questions.jsonl",), settings, **named)


def pipeline(model, *parts):
    return Stages(PipelineSettings(model=str(model), output_dir="out"), parts)


def test_all_four_kinds_are_handed_on(own, tiny_model_dir):
    kept = Product("guard", "guard", as_reward=True)
    parts = (guard(), reward(), sampling(constraint=kept), sft(records=("sampling",)), sft("again"))
    made = pipeline(tiny_model_dir("llama"), *parts)
    before = sorted(own.rglob("*"))
    planned = plan_pipeline(made, "own")
    assert sorted(own.rglob("*")) == before, "a plan writes nothing"
    shown = planned["stages"]["sampling"]["settings"]
    assert (shown["--judge"], shown["--constraint"]) == ("reward-model:out/2-reward", "guard:out/1-guard")
    assert planned["stages"]["sft"]["settings"]["--path"] == "out/data/4-sft-gathered.jsonl"
    assert planned["stages"]["again"]["settings"]["--model"] == "out/4-sft/model"
    assert planned["data"]["sft"]["records"] == ["sampling"]
    summary = begin(made, "own", own / "out", Driver(train, resume, None, report=True), None)
    assert summary["product"] == "5-again/model"
    asked = {record.origin.asked["judge"] for record in records_of(read_rows("out/3-sampling/data/records.jsonl"))}
    assert asked == {f"reward-model:{own}/out/2-reward, kept by guard:{own}/out/1-guard"}
    assert "records of sampling" in (own / "out/report.html").read_text()


def test_a_stage_goes_on_from_the_newest_model_unless_it_names_one(own):
    parts = (sft("one"), reward(), sft("two"), sft("three", uses={"model": model_of("one")}))
    assert [uses_of(parts, n).get("model") for n in range(1, 5)] == [GIVEN, GIVEN, model_of("one"), model_of("one")]
    assert uses_of((guard(), sampling()), 2).keys() == {"generator", "judge"}


@pytest.mark.parametrize(("parts", "said"), [
    ((sampling(),), "stage sampling: names the reward of 'reward', and no stage before it is called so"),
    ((sampling(), reward()), "stage sampling: names the reward of 'reward', and no stage before it is called so"),
    ((sft("reward"), sampling()), "names the reward of 'reward', which makes a model; name its model, or another"),
    ((reward(), sft(uses={"model": model_of("reward")})), "names the model of 'reward', which makes a reward"),
    ((reward(), sft(records=("reward",))), "names the records of 'reward', which makes a reward"),
    ((sft(), sft()), "stage sft: is there twice"),
    ((sft(uses={"colour": GIVEN}),), "stage sft: has no setting 'colour' to be filled"),
    ((sft(held_out_of="dpo"),), "is measured as 'dpo' is, and no stage before it"),
    ((reward(), replace(sampling(), settings=replace(sampling().settings, judge="a:b"))),
     "--sampling.judge: is set, and the pipeline fills it; leave it out"),
    ((), "own: has no stages"),
])  # fmt: skip
def test_a_name_that_nothing_answers_to_is_one_line_and_nothing_is_written(parts, said, own, tiny_model_dir):
    before = sorted(own.rglob("*"))
    made = pipeline(tiny_model_dir("llama"), *parts)
    for act in (plan_pipeline, lambda p, name: begin(p, name, own / "out", Driver(train, resume, None, False), None)):
        with pytest.raises(SteelyardError) as refused:
            act(made, "own")
        assert said in str(refused.value)
        assert "\n" not in str(refused.value)
    assert sorted(own.rglob("*")) == before
    if parts:
        with pytest.raises(SteelyardError):
            check_stages(parts)


def test_a_product_that_cannot_be_named_so():
    with pytest.raises(SteelyardError, match="a reward is named without a stage"):
        Product("reward")
    with pytest.raises(SteelyardError, match="a model is no reward; name reward or guard"):
        Product("model", "sft", as_reward=True)


def test_records_whose_prompt_is_held_out_are_left_out_and_none_is_told(own, tiny_model_dir):
    (own / "held.jsonl").write_text('{"prompt": "3+2=", "answer": "5"}')
    held = replace(sft(records=("sampling",)).settings, held_out="held.jsonl")
    made = pipeline(tiny_model_dir("llama"), reward(), sampling(), replace(sft(records=("sampling",)), settings=held))
    assert plan_pipeline(made, "own")["data"]["sampling"]["notes"] == {
        "rows left out because their prompt is held out": 1
    }
