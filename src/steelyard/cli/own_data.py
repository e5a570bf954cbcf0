"""Method by method, the command that uses it on a model and data of one's own: docs/commands.md is made of this.

The command of a method is that of a recipe which holds it. A class of settings says which flags name the user's data,
`OWN_DATA`; a variant of attention is named by `--attention`; what no recipe holds stands in `BY_ROOM` or `BY_ID`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

from steelyard.check import import_rooms
from steelyard.core import Card, cards, id_of
from steelyard.model import attention_names, encoder_attention_names
from steelyard.recipes import find, names
from steelyard.runtime import Run
from steelyard.training.pipeline import Pipeline

ON_ROWS = "steelyard train rows --model MODEL --path questions.jsonl"
ON_SKILLS = "--model MODEL --path questions.jsonl --columns.skill domain"
ON_TEXTS = "steelyard train encoder-guard --texts labelled.jsonl"
ON_ACTIONS = "--no-needs-answer --reward shop-r1:action"
MORE: Mapping[str, str] = {
    "rows-step-kto": "--step-reward my_rewards.py:steps",
    "rows-message-rloo": "--step-reward my_rewards.py:steps",
    "rows-cgpo": "--columns.domain domain --constraint my_rewards.py:polite",
    "rows-codpo": "--constraint my_rewards.py:polite",
    "rows-crpg": "--constraint my_rewards.py:polite",
    "rows-crraft": "--constraint my_rewards.py:polite",
}
"""Recipe -> flags that it needs beside those of its data."""
BY_ROOM: Mapping[str, str] = {
    "curriculum": f"{ON_ROWS} --columns.domain domain --curriculum {{id}}",
    "decode": "steelyard sample RUN --decode {id}",
}
"""Room -> the command of a method of it."""
BY_ID: Mapping[str, str] = {
    "bradley-terry": "steelyard reward-model --model MODEL --pairs pairs.jsonl --output-dir REWARDS",
    "causal-rm": "steelyard reward-model --model MODEL --pairs pairs.jsonl --output-dir REWARDS --causal-weight 1",
    "ignite": "steelyard reward-model --model MODEL --pairs pairs.jsonl --output-dir REWARDS --ignite-radius 0.05",
    "ches": "steelyard train ches --rows pairs.jsonl --reader MODEL",
    "incorrect-synth": "steelyard train incorrect-synth --rows solutions.jsonl --generator MODEL "
    "--judge my_rewards.py:right",
    "rejection-sampling": "steelyard train rejection-sampling --rows questions.jsonl --generator MODEL "
    "--judge reward-model:REWARD_MODEL",
    "compared-answers": "steelyard train compared-answers --rows questions.jsonl --generator MODEL "
    "--judge my_rewards.py:polite",
    "halt": "steelyard train halt --rows questions.jsonl --generator MODEL --judge my_rewards.py:polite",
    "conversation-summaries": "steelyard train conversation-summaries --rows conversations.jsonl --generator MODEL",
    "magic-triples": "steelyard train magic-triples --rows questions.jsonl --generator MODEL",
    "fence-critic": "steelyard train fence-critic --rows documented.jsonl --generator MODEL",
    "ctrl-u": "steelyard train judged-rows --model MODEL --path questions.jsonl --reward-model REWARD_MODEL "
    "--uncertainty.scale 1",
    "constrained": f"steelyard train rows-crpg {ON_ROWS.partition(' rows ')[2]} --constraint my_rewards.py:polite",
    "reward-model": "steelyard train judged-rows --model MODEL --path questions.jsonl --reward-model REWARD_MODEL",
    "math-verify": "steelyard score rows --path questions.jsonl --completions completions.jsonl",
    "exact-answer": "steelyard train arithmetic --model MODEL",
    "acu": "steelyard train acu --texts labelled.jsonl --model MODEL --forget labelled.jsonl",
    "laf": "steelyard train laf --texts labelled.jsonl --model TEXT_CLASSIFIER --model-label LABEL_1 "
    "--forget source.jsonl",
    "as-given": "steelyard train mle --model MODEL --documents documents.jsonl",
    "enumerable": "steelyard train enumerable",
    "tokenbuncher": "steelyard train tokenbuncher --model MODEL --path questions.jsonl",
    "tofu": "steelyard audit tofu --model MODEL --data forget.jsonl",
    "reworded": "steelyard audit reworded --model MODEL --data forget.jsonl",
    "training-orders": "steelyard audit training-orders --model MODEL --data questions.jsonl",
    "group-bias": "steelyard audit group-bias --model CLASSIFIER --model-label LABEL_1 --data grouped.jsonl",
    "min-k": "steelyard audit min-k --model MODEL --data parts.jsonl",
    "in-context": "steelyard audit in-context --model MODEL --data forget.jsonl",
    "relearning": "steelyard audit relearning --model MODEL --data forget.jsonl",
    "truly-forgetting": "steelyard audit truly-forgetting --model MODEL --data forget.jsonl --original MODEL",
    "conceptvectors": "steelyard audit conceptvectors --model MODEL --data forget.jsonl --original MODEL",
    "ununlearning": "steelyard audit ununlearning --model MODEL --data forget.jsonl",
    "unalignment": "steelyard audit unalignment --model MODEL --data forget.jsonl",
    "all-audits": "steelyard audit all-audits --model MODEL --data parts.jsonl --original MODEL --retrained MODEL",
    "unlearndiffatk": "steelyard audit unlearndiffatk --model DIFFUSION --data prompted.npz --concept block",
    "rl-attack": "steelyard audit rl-attack --model MODEL --data forget.jsonl",
    "must-hallucinate": "steelyard audit must-hallucinate --model MODEL --data statements.jsonl",
    "palimpsestic": "steelyard audit palimpsestic --model MODEL --data ordered.jsonl",
    "experts-dont-cheat": "steelyard audit experts-dont-cheat --model MODEL --data answered.jsonl",
    "model-task-alignment": "steelyard audit model-task-alignment --model MODEL --data questions.jsonl",
    "spurious": f"steelyard train rows-grpo {ON_ROWS.partition(' rows ')[2]} --reward spurious:majority",
    "novelty": "steelyard train red-team-novelty --model MODEL",
    "curiosity": "steelyard train red-team-curiosity --model MODEL",
    "attack": "steelyard train red-team-gpt2 --model MODEL --victim VICTIM --victim-template '{attack}' "
    "--judge CLASSIFIER --judge-label LABEL_1 --embedder ENCODER",
    "eee-redteam": "steelyard train eee-redteam --model MODEL --victim VICTIM --classifiers CLASSIFIER",
    "lm-fact-check": "steelyard train lm-fact-check --model MASKED --texts checked.jsonl --entailment CLASSIFIER",
    "unified-m2": "steelyard train unified-m2 --model ENCODER --texts tasks.jsonl",
    "eee-explore": "steelyard train eee-explore --model MODEL --oracle my_rewards.py:polite",
    "replay-buffer": ON_ROWS,
    "single-use-queue": f"steelyard train rows-grpo {ON_ROWS.partition(' rows ')[2]}",
    "shop-r1": "steelyard train shop-r1 --model MODEL --path actions.jsonl",
    "self-certain-grpo": f"steelyard train rows-self-certain-grpo --model MODEL --path actions.jsonl {ON_ACTIONS}",
    "skill-it": f"steelyard train skill-it {ON_SKILLS}",
    "data-mixing-agent": f"steelyard train data-mixing-agent {ON_SKILLS}",
    "stat-syn": "steelyard train stat-syn --rows questions.jsonl --generator MODEL --skill-column domain",
    "stat": f"steelyard train stat {ON_SKILLS}",
    "sliding-window": f"{ON_ROWS} --attention sliding-window --attention-window 64",
}
"""Method -> its command, where neither a recipe nor its room says it."""
IN_PYTHON: Mapping[str, str] = {}
"""Methods without a command, and where they are used."""
BASELINES = {
    "filtering's, phf's and others' baseline: plain likelihood": "mle",
    "npo's baseline: refusals (IDK)": "idk",
    "saferoute's small guard: a bag of words": "bag-guard",
    "fedrand's baseline: all of the adapters are shared (FedAvg)": "fedavg",
    "diffusion: DDPM": "ddpm",
    "adapt-unlearn's model: a small GAN": "gan",
    "llama3's part: the mean of several models' weights": "average",
}
"""What papers compare with, and the recipe."""
ON_PAIRS = {"dpo": "offline-dpo", "ipo": "offline-ipo", "kto": "offline-kto", "bradley-terry": "bradley-terry"}
"""What also learns from pairs of one's own as a job with a resume, and the recipe."""
FITTED = {"data-mixing-agent: rows mixed by the agent of a run": "mixed-sft"}
"""What a run of a method has fitted, and the recipe that uses it."""
PIPELINES = {
    "tulu3: SFT, then DPO, then RLVR": "tulu3",
    "llama3: rounds of reward model, rejection sampling, SFT and DPO": "llama3",
}
"""Several jobs as one run, and the recipe."""
HEAD = """# Every method on your own data

One command for each method of the [catalogue](catalogue.md). `steelyard methods --commands docs/commands.md` writes
this page from the cards and the recipes, and a test runs every command on small files and two families of models.

- `MODEL` is a directory that `save_pretrained` wrote, or a hub id; `REWARD_MODEL`, `VICTIM`, `CLASSIFIER`, `CRITIC`,
  `ENCODER` and `MASKED`, which fills in what is hidden of a text, likewise. `RUN` is the directory of a run,
  and `AGENT` that of a run of `data-mixing-agent`.
- `questions.jsonl` has the columns `prompt` and `answer`, for some methods also `domain`; `forget.jsonl` and
  `retain.jsonl` have `prompt`, `answer` and perhaps `wrong`, `named.jsonl` also `subject`, the name that a row asks
  about, and `NAME` is another name; `documents.jsonl` has `segments` or `text`; `pairs.jsonl`
  has `prompt`, `chosen` and `rejected`; `solutions.jsonl` has `prompt`, `solution` and what the judge reads, such as
  `answer`; `feedback.jsonl` has `prompt`, `completion` and `feedback`; `labelled.jsonl` has `text` and `label`,
  `grouped.jsonl` also `group`, `tasks.jsonl` also `task`, and `claims.jsonl` also `rationale`, `question` and `answer`;
  `checked.jsonl` has `text`, `label` (supported, refuted or unknown) and perhaps `masked`; `draws.jsonl` has `task`
  and `output`, perhaps `description` and `input`; `sourced.jsonl` has `prompt` and `documents`, `documented.jsonl` has
  `claim`, `document` and `label`; `reasoned.jsonl` has `prompt`, `rationale` and `answer`, and `passages.jsonl` has
  `text`; `conversations.jsonl` has `turns`, a list of texts, `summary` and perhaps `state`;
  `actions.jsonl` has `prompt` and `action`;
  `episodes.jsonl` has `observations`, `actions` and `rewards` of an episode in each line;
  `critiqued.jsonl` has `prompt` and `response`, and `score`, `critique`, or `refinement` and `next`; `triples.jsonl`
  has `prompt`, `positive`, `negative` and `rejective`;
  `statements.jsonl` has `text` and `part` (train or held-out), `ordered.jsonl` has `text` and `order`, the time at
  which a row was trained on, `answered.jsonl` has `prompt` and `answers`, a list;
  `images.npz` has arrays `images` and `labels`, `prompted.npz` also `prompts`, and `captioned.npz` `images` and
  `captions`: see [data.md](data.md).
  `DIFFUSION` is the `model` of a run of `train ddpm` on such a file, and `GAN` of one of `train gan`.
  `my_rewards.py` holds functions of yours, and
  `my_tools.py` a class with [tools](environments.md), `my_game.py` a class of a [game](environments.md#a-game), and
  `my_tasks.py` a [task set](environments.md#task-sets-of-verifiers) of verifiers.
- Every `train` takes `--dry-run`, `--resume`, `--json` and `--output-dir`; `steelyard train RECIPE --help` lists its
  numbers.
- Arithmetic, calculator, guessing, red-team and shortening make their own prompts: there the model alone is yours.
  Enumerable lists every completion of a model of its own."""


def text() -> str:
    """The page."""
    by_room = {
        room: [(id, told if id in IN_PYTHON else f"`{told}`") for id, told in own] for room, own in rooms().items()
    }
    parts = [_section(room, "method", rows) for room, rows in by_room.items()]
    others = (
        ("pairs that you have", "method", ON_PAIRS),
        ("what a run has fitted", "use", FITTED),
        ("pipelines", "pipeline", PIPELINES),
        ("baselines", "baseline", BASELINES),
    )
    for heading, what, recipes in others:
        parts.append(_section(heading, what, [(told, f"`{command(name)}`") for told, name in recipes.items()]))
    return "\n\n".join([HEAD, *parts]) + "\n"


def _section(heading: str, what: str, rows: Sequence[tuple[str, str]]) -> str:
    """A heading and a table of what there is and its command."""
    lines = [f"## {heading}", "", f"| {what} | command on your own data |", "|---|---|"]
    return "\n".join([*lines, *(f"| {left} | {right} |" for left, right in rows)])


def write(path: Path) -> None:
    """Write the page.

    Raises:
        OSError: it cannot be written.
    """
    path.write_text(text(), encoding="utf-8")


def rooms() -> dict[str, list[tuple[str, str]]]:
    """Room -> each method of the package, with its command; empty where there is none."""
    import_rooms()
    held = recipes_by_method()
    known = [card for card in cards() if card.cls.__module__.startswith("steelyard.")]
    found: dict[str, list[tuple[str, str]]] = {}
    for card in known:
        found.setdefault(card.room, []).append((card.id, command_of(card, held)))
    return found


def command_of(card: Card, held: Mapping[str, Sequence[str]]) -> str:
    """The command that uses a method; empty where there is none.

    Args:
        card: the method's.
        held: what `recipes_by_method` returned.
    """
    if card.id in BY_ID:
        return BY_ID[card.id]
    if card.id in attention_names():
        return f"{ON_ROWS} --attention {card.id}"
    if card.id in encoder_attention_names():
        return f"{ON_TEXTS} --attention {card.id}"
    if card.room in BY_ROOM:
        return BY_ROOM[card.room].format(id=card.id)
    recipes = held.get(card.id, ())
    return command(recipes[0]) if recipes else IN_PYTHON.get(card.id, "")


def recipes_by_method() -> dict[str, list[str]]:
    """Method -> the recipes that hold it: first its own, then those on data of one's own, then the others."""
    found: dict[str, list[str]] = {}
    for name in names():
        for id in dict.fromkeys(methods_in(find(name))):
            found.setdefault(id, []).append(name)
    return {id: sorted(held, key=partial(_rank, id)) for id, held in found.items()}


def _rank(id: str, name: str) -> tuple[bool, bool, bool]:
    return name not in (id, f"rows-{id}"), _has_model(name), not name.startswith("rows")


def _has_model(name: str) -> bool:
    return bool(getattr(find(name), "model", ""))


def command(name: str) -> str:
    """The command of a recipe on one's own model and data."""
    recipe: Any = find(name)
    recipe = recipe.given if isinstance(recipe, Pipeline) else recipe
    own = "" if _has_model(name) else getattr(recipe.task if isinstance(recipe, Run) else recipe, "OWN_DATA", "")
    model = "--model MODEL" if hasattr(recipe, "model") else ""
    return " ".join(filter(None, (f"steelyard train {name}", model, own, MORE.get(name, ""))))


def recipe_command(name: str) -> str:
    """The command of a recipe: as it stands where it brings a model, else on one's own model and data."""
    start = f"steelyard train {name}"
    own = BY_ID.get(name, "")
    if _has_model(name):
        return start
    return own if own.startswith(f"{start} ") else command(name)


def methods_in(settings: object) -> Iterator[str]:
    """The ids of the registered methods that are among settings, at any depth."""
    if (id := id_of(settings)) is not None:
        yield id
    for f in fields(settings) if is_dataclass(settings) else ():
        yield from methods_in(getattr(settings, f.name))
