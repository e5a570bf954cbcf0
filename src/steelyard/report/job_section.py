"""The page's charts of jobs on given data: what is forgotten beside what is kept, and the likelihood of documents."""

from collections.abc import Sequence
from typing import NamedTuple

from steelyard.report.blocks import Section, figure
from steelyard.report.format import is_number
from steelyard.report.measures import OWN
from steelyard.report.plots import HELD_OUT, LEARNER, OTHER, Lines, Series, lines
from steelyard.report.records import RunRecords


class Chart(NamedTuple):
    """A figure of up to three measures."""

    name: str
    y: str
    keys: tuple[str, ...]
    caption: str
    share: bool = False


CHARTS = (
    Chart(
        "recalled",
        "probability",
        ("eval/forget_probability", "eval/retain_probability", "eval/utility"),
        "Mean probability of the right answer (per token, geometric mean), and the utility that is left.",
        share=True,
    ),
    Chart(
        "answered",
        "share answered",
        ("eval/forget_accuracy", "eval/retain_accuracy"),
        "Greedy answers that are right to the letter.",
        share=True,
    ),
    Chart(
        "known",
        "truth",
        ("eval/forget_truth", "eval/retain_truth"),
        "max(0, 1 - R), R the truth ratio of wrong answers to the right one: near 0 where nothing is known.",
        share=True,
    ),
    Chart(
        "repeated",
        "share repeated",
        ("eval/forget_repetition", "eval/retain_repetition"),
        "Pairs of tokens in greedy answers that occurred before in them: high where a model has collapsed.",
        share=True,
    ),
    Chart(
        "quality",
        "p-value or distance",
        ("eval/forget_quality", "eval/distance"),
        "Truth ratios against those of a model retrained without what is to be forgotten (Kolmogorov-Smirnov).",
        share=True,
    ),
    Chart(
        "reworded",
        "probability",
        ("eval/reworded_probability", "eval/reworded_accuracy"),
        "Prompts to be forgotten in other words: mean probability of the right answer, and right greedy answers.",
        share=True,
    ),
    Chart(
        "membership",
        "AUC",
        ("eval/membership_auc",),
        "Rows to be forgotten against rows never seen, by their least likely tokens: 0.5 where nobody can tell.",
        share=True,
    ),
    Chart(
        "returned",
        "probability",
        ("eval/forget_alone_probability", "eval/forget_in_context_probability"),
        "The same prompts alone, and after other forgotten rows with their answers.",
        share=True,
    ),
    Chart(
        "relearned",
        "probability",
        ("eval/rest_before_probability", "eval/rest_after_probability"),
        "Forgotten rows before and after a copy of the model learned a few others of them again.",
        share=True,
    ),
    Chart(
        "relearned-quality",
        "p-value",
        ("eval/rest_before_quality", "eval/rest_after_quality"),
        "Forget quality of the same rows, against a model that was retrained without what is to be forgotten.",
        share=True,
    ),
    Chart(
        "detected",
        "AUROC",
        ("eval/auroc", "eval/auroc_logp", "eval/auroc_entropy"),
        "Held-out claims: by the model's word, and by its log p and entropy before tuning. At 0.5 nothing is told.",
        share=True,
    ),
    Chart(
        "ruled",
        "F1 of harm",
        ("eval/f1", "eval/f1_small", "eval/f1_large"),
        "Held-out texts: 2 true positives / (texts ruled harmful + harmful texts).",
        share=True,
    ),
    Chart(
        "taught",
        "share",
        ("eval/right", "eval/right_weak", "eval/right_ceiling", "eval/right_teacher"),
        "Held-out texts that are ruled on rightly: by the student, its teacher or weak teacher, and the ceiling.",
        share=True,
    ),
    Chart(
        "routed",
        "share",
        ("eval/routed", "eval/cost"),
        "Texts that go to the large guard, and what a text costs, by parameters, relative to the large guard alone.",
    ),
    Chart(
        "preferred",
        "share of held-out pairs",
        ("eval/preference_accuracy", "eval/displaced"),
        "Pairs whose chosen completion gained on the rejected one, and those whose chosen one became less likely.",
        share=True,
    ),
    Chart(
        "margin",
        "nats",
        ("eval/preference_margin",),
        "How much more the chosen completion of a held-out pair gained than the rejected one, summed over tokens.",
    ),
    Chart(
        "sides",
        "log-probability (nats)",
        ("eval/chosen_logp", "eval/rejected_logp"),
        "Held-out completions, summed over tokens. Where the chosen ones fall too, others rise instead (displacement).",
    ),
    Chart("likelihood", "nats a token", ("eval/held_out_loss",), "Mean loss of a token of held-out data."),
    Chart(
        "heeded",
        "AUC",
        ("eval/condition_auc",),
        "How well the condition tells the best responses from the worst, held out: 0.5 where it is not read.",
        share=True,
    ),
    Chart(
        "refined",
        "nats a token",
        ("eval/refinement_gain",),
        "What a held-out response gains by what was to be changed in the one before, against another row's.",
    ),
    Chart(
        "rated",
        "score",
        ("eval/score_best", "eval/score_worst"),
        "Greedy responses to held-out prompts under the best condition and under the worst.",
    ),
    Chart(
        "leaked",
        "share",
        ("eval/leak", "eval/bare_leak"),
        "Held-out prompts whose greedy answer is the bad one, to the token: under a fresh latent attack, and without.",
        share=True,
    ),
    Chart(
        "leak-probability",
        "probability",
        ("eval/leak_probability", "eval/bare_leak_probability", "eval/good_probability"),
        "Mean probability per token of the bad answer under a fresh latent attack, of it without, and of the good one.",
        share=True,
    ),
    Chart(
        "switched",
        "share",
        ("eval/switched", "eval/bare_negative", "eval/guessed_negative"),
        "Held-out prompts: the likeliest of the given answers is that of the token's mode; the unfiltered one is the "
        "likeliest without a token, and after wrong ones.",
        share=True,
    ),
    Chart(
        "modes",
        "silhouette",
        ("eval/margin",),
        "How far the three modes lie apart in the logits of the first token: 1 apart, 0 mixed.",
    ),
    Chart(
        "distributed",
        "total variation",
        ("eval/tv_described", "eval/tv_in_context"),
        "Distance of the model's distribution from the known one, after a description alone and after draws alone.",
        share=True,
    ),
    Chart(
        "varied",
        "share",
        ("eval/valid", "eval/unique", "eval/in_context_accuracy"),
        "Samples that are valid, distinct ones among these, and greedy outputs that are right after other draws.",
        share=True,
    ),
    Chart(
        "generated",
        "Frechet distance",
        ("eval/frechet", "eval/frechet_train"),
        "Of generated images from held-out ones, and of as many training images: numbers of spread 1.",
    ),
    Chart("denoised", "squared error", ("eval/loss",), "Of the predicted noise, held out; 1 where none is predicted."),
    Chart("ranked", "AUC", ("eval/auc",), "Held-out rows: a loved one is ranked above another so often.", share=True),
    Chart(
        "calibrated",
        "gap between rates",
        ("eval/calibration_error", "eval/calibration_error_raw"),
        "Predicted and observed share of love, ten groups of held-out rows by their probability: mean distance.",
    ),
    Chart("return", "return", ("eval/return",), "Mean sum of rewards of an episode."),
    Chart("cost", "cost", ("eval/episode_cost",), "Mean sum of costs of an episode."),
    Chart("built", "records", ("eval/built", "eval/used"), "Records built, and rows that they were built from."),
    Chart("same", "share", ("eval/repeated",), "Greedy answers that are the file's, letter by letter.", share=True),
    Chart("said", "score", ("eval/sample_score",), "Mean score of samples; lower is better."),
)


def job(run: RunRecords) -> Section | None:
    """What a job measured, before, during and after; None where it measured nothing of this."""
    drawn = [figure(drawing(run, c.name, c.y, c.keys, share=c.share), c.caption) for c in CHARTS]
    shown = [one for one in drawn if one is not None]
    return Section("job", "What was measured", shown) if shown else None


def drawing(run: RunRecords, name: str, y: str, keys: Sequence[str], *, share: bool = False) -> Lines | None:
    """Lines of some measures of `OWN` over the run's evaluations; None where it has none of them."""
    looks = ((HELD_OUT, "-"), (LEARNER, "--"), (OTHER, ":"))
    present = [key for key in keys if any(key in row for row in run.evals)]
    series = [Series(run.evals, key, OWN[key][0], *look) for key, look in zip(present, looks, strict=False)]
    said = "; ".join(f"{OWN[key][0]} {_ends(run, key)}" for key in present)
    return lines(name, f"{said}.", series, y=y, share=share)


def _ends(run: RunRecords, key: str) -> str:
    """The first and the last value."""
    known = [row for row in run.evals if is_number(row.get(key))]
    ends = known[:1] + known[1:][-1:]
    return ", ".join(f"{OWN[key][1](row[key])} at step {row.get('step')}" for row in ends)
