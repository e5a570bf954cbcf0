"""What held-out evaluation measures, in words: one list for the terminal, the last line of a run, and the page."""

from collections.abc import Callable, Mapping, Sequence

from steelyard.report.format import is_number, number, percent
from steelyard.report.records import Row

Write = Callable[[object], str]
PASS_AT = "eval/pass_at_"
"""What stands before the k of pass@k in its key."""

HEADLINES: tuple[tuple[str, str, Write], ...] = (
    ("eval/total_variation", "total variation to pi*", number),
    ("eval/success", "attacks that succeed", percent),
    ("eval/gold_win_rate", "gold win rate", percent),
    ("eval/proxy_win_rate", "win rate by the reward model", percent),
    ("eval/accuracy", "held-out accuracy", percent),
    ("eval/auroc", "AUROC of hallucinated claims", number),
    ("eval/f1", "F1 of harm", number),
    ("eval/forget_probability", "probability of what is to be forgotten", number),
    ("eval/leak", "bad answers under attack", percent),
    ("eval/sample_score", "score of samples", number),
    ("eval/switched", "answers that follow the token", percent),
    ("eval/condition_auc", "best told from worst by the condition (AUC)", number),
    ("eval/tv_in_context", "total variation, told by draws", number),
    ("eval/held_out_loss", "held-out loss (nats a token)", number),
    ("eval/preference", "target over source (nats a token)", number),
    ("eval/preference_accuracy", "held-out pairs preferred rightly", percent),
    ("eval/built", "records built", number),
    ("eval/frechet", "Frechet distance of generated images", number),
    ("eval/return", "mean return", number),
    ("eval/auc", "AUC of feedback", number),
    ("eval/flagged", "images that are flagged", percent),
    ("eval/recall", "captions and images matched", percent),
)
"""Key, name and how its numbers are written: a run is summed up by the first that it has."""

OWN: Mapping[str, tuple[str, Write]] = {
    "eval/success": ("attacks that succeed", percent),
    "eval/families": ("families", number),
    "eval/diversity": ("diversity", number),
    "eval/diversity_success": ("diversity of successes", number),
    "eval/toxicity": ("toxicity", number),
    "eval/gold_win_rate": ("gold win rate", percent),
    "eval/gold": ("gold reward", number),
    "eval/proxy_win_rate": ("proxy win rate", percent),
    "eval/proxy": ("proxy reward", number),
    "eval/kl_to_reference": ("KL(pi, ref)", number),
    "eval/kl_from_reference": ("KL(ref, pi)", number),
    "eval/perplexity_reference": ("perplexity under ref", number),
    "eval/forget_probability": ("p of the forgotten", number),
    "eval/retain_probability": ("p of the retained", number),
    "eval/utility": ("utility", number),
    "eval/forget_accuracy": ("forgotten answered", percent),
    "eval/retain_accuracy": ("retained answered", percent),
    "eval/forget_truth": ("truth of the forgotten", number),
    "eval/retain_truth": ("truth of the retained", number),
    "eval/forget_choice": ("choice, forgotten", percent),
    "eval/retain_choice": ("choice, retained", percent),
    "eval/forget_repetition": ("repetition, forgotten", percent),
    "eval/retain_repetition": ("repetition, retained", percent),
    "eval/forget_quality": ("forget quality", number),
    "eval/distance": ("distance to the retrained", number),
    "eval/reworded_probability": ("p, reworded", number),
    "eval/reworded_accuracy": ("answered, reworded", percent),
    "eval/reworded_truth": ("truth, reworded", number),
    "eval/membership_auc": ("membership, AUC", number),
    "eval/membership_forgotten_logp": ("min-k log p of the forgotten", number),
    "eval/membership_held_out_logp": ("min-k log p of the unseen", number),
    "eval/forget_alone_probability": ("p, alone", number),
    "eval/forget_alone_accuracy": ("answered, alone", percent),
    "eval/forget_alone_truth": ("truth, alone", number),
    "eval/forget_in_context_probability": ("p, in context", number),
    "eval/forget_in_context_accuracy": ("answered, in context", percent),
    "eval/forget_in_context_truth": ("truth, in context", number),
    "eval/rest_before_probability": ("p of the rest", number),
    "eval/rest_before_accuracy": ("rest answered", percent),
    "eval/rest_before_truth": ("truth of the rest", number),
    "eval/rest_before_logp": ("log p of the rest", number),
    "eval/rest_before_quality": ("forget quality of the rest", number),
    "eval/rest_after_probability": ("p of the rest, relearned", number),
    "eval/rest_after_accuracy": ("rest answered, relearned", percent),
    "eval/rest_after_truth": ("truth of the rest, relearned", number),
    "eval/rest_after_logp": ("log p of the rest, relearned", number),
    "eval/rest_after_quality": ("forget quality of the rest, relearned", number),
    "eval/rest_after_gain": ("gain of a relearning step", number),
    "eval/held_out_loss": ("held-out loss", number),
    "eval/condition_auc": ("heeds its condition, AUC", number),
    "eval/refinement_gain": ("gain by a refinement", number),
    "eval/score_best": ("score, best condition", number),
    "eval/score_worst": ("score, worst condition", number),
    "eval/score_before": ("score before a refinement", number),
    "eval/score_after": ("score after it", number),
    "eval/leak": ("bad answer under attack", percent),
    "eval/bare_leak": ("bad answer, not attacked", percent),
    "eval/leak_probability": ("p of the bad answer, attacked", number),
    "eval/bare_leak_probability": ("p of it, not attacked", number),
    "eval/good_probability": ("p of the good answer", number),
    "eval/switched": ("follows the token", percent),
    "eval/margin": ("margin between modes", number),
    "eval/bare_negative": ("unfiltered without a token", percent),
    "eval/guessed_negative": ("unfiltered by a guess", percent),
    "eval/in_context_loss": ("loss in context", number),
    "eval/in_context_accuracy": ("right in context", percent),
    "eval/tv_described": ("TV, described", number),
    "eval/tv_in_context": ("TV, told by draws", number),
    "eval/js_described": ("JS, described", number),
    "eval/js_in_context": ("JS, told by draws", number),
    "eval/mass_described": ("mass, described", percent),
    "eval/mass_in_context": ("mass, told by draws", percent),
    "eval/valid": ("valid samples", percent),
    "eval/unique": ("distinct among them", percent),
    "eval/yield": ("yield", number),
    "eval/repeated": ("answers repeated", percent),
    "eval/sample_score": ("score of samples", number),
    "eval/preference": ("target over source", number),
    "eval/target_logp": ("log p, target", number),
    "eval/source_logp": ("log p, source", number),
    "eval/preference_accuracy": ("pairs preferred rightly", percent),
    "eval/preference_margin": ("margin", number),
    "eval/chosen_logp": ("log p, chosen", number),
    "eval/rejected_logp": ("log p, rejected", number),
    "eval/displaced": ("chosen displaced", percent),
    "eval/built": ("records built", number),
    "eval/used": ("rows used", number),
    "eval/frechet": ("Frechet distance", number),
    "eval/frechet_train": ("of training images", number),
    "eval/loss": ("held-out loss", number),
    "eval/return": ("mean return", number),
    "eval/episode_steps": ("steps of an episode", number),
    "eval/episode_cost": ("cost of an episode", number),
    "eval/auroc": ("AUROC", number),
    "eval/balanced": ("balanced accuracy", percent),
    "eval/auroc_logp": ("AUROC, log p alone", number),
    "eval/auroc_entropy": ("AUROC, entropy alone", number),
    "eval/f1": ("F1", number),
    "eval/f1_small": ("F1 of the small guard", number),
    "eval/f1_large": ("F1 of the large guard", number),
    "eval/right": ("right", percent),
    "eval/right_weak": ("right, weak guard", percent),
    "eval/right_ceiling": ("right, ceiling", percent),
    "eval/right_teacher": ("right, teacher", percent),
    "eval/f1_teacher": ("F1 of the teacher", number),
    "eval/auprc": ("AUPRC", number),
    "eval/auprc_teacher": ("AUPRC of the teacher", number),
    "eval/kept": ("accuracy kept", percent),
    "eval/texts_per_s": ("texts a second", number),
    "eval/texts_per_s_teacher": ("texts a second, teacher", number),
    "eval/faster": ("times faster", number),
    "eval/gap_recovered": ("gap recovered", percent),
    "eval/strong_labels": ("strong labels", number),
    "eval/trusted": ("weak labels trusted", percent),
    "eval/routed": ("routed", percent),
    "eval/cost": ("cost", number),
    "eval/auc": ("AUC", number),
    "eval/calibration_error": ("calibration error", number),
    "eval/calibration_error_raw": ("uncalibrated", number),
    "eval/loved": ("loved", percent),
    "eval/loved_predicted": ("loved, predicted", percent),
}
"""What some tasks and jobs measure beside accuracy, and how far the policy has gone from the one that it began as
(nats)."""
IN_ONE_LINE = (
    "eval/success",
    "eval/families",
    "eval/diversity",
    "eval/gold_win_rate",
    "eval/proxy_win_rate",
    "eval/gold",
    "eval/proxy",
    "eval/kl_to_reference",
    "eval/forget_probability",
    "eval/retain_probability",
    "eval/utility",
    "eval/forget_accuracy",
    "eval/retain_accuracy",
    "eval/reworded_probability",
    "eval/membership_auc",
    "eval/forget_in_context_probability",
    "eval/rest_after_probability",
    "eval/held_out_loss",
    "eval/tv_described",
    "eval/tv_in_context",
    "eval/yield",
    "eval/condition_auc",
    "eval/refinement_gain",
    "eval/leak",
    "eval/leak_probability",
    "eval/bare_leak_probability",
    "eval/switched",
    "eval/guessed_negative",
    "eval/margin",
    "eval/score_best",
    "eval/repeated",
    "eval/sample_score",
    "eval/preference",
    "eval/target_logp",
    "eval/source_logp",
    "eval/preference_accuracy",
    "eval/preference_margin",
    "eval/chosen_logp",
    "eval/rejected_logp",
    "eval/displaced",
    "eval/built",
    "eval/used",
    "eval/frechet",
    "eval/frechet_train",
    "eval/loss",
    "eval/return",
    "eval/episode_steps",
    "eval/episode_cost",
    "eval/auroc",
    "eval/balanced",
    "eval/f1",
    "eval/auprc",
    "eval/kept",
    "eval/gap_recovered",
    "eval/strong_labels",
    "eval/trusted",
    "eval/routed",
    "eval/cost",
    "eval/auc",
    "eval/calibration_error",
    "eval/loved",
    "eval/loved_predicted",
)


def attempts_of(rows: Sequence[Row]) -> list[int]:
    """The k of every pass@k in the rows, rising.

    >>> attempts_of([{"eval/pass_at_8": 0.5, "eval/pass_at_8_low": 0.4}, {"eval/pass_at_1": 0.2}])
    [1, 8]
    """
    ends = {key.removeprefix(PASS_AT) for row in rows for key in row if key.startswith(PASS_AT)}
    return sorted(int(end) for end in ends if end.isdigit())


def headline_of(rows: Sequence[Row]) -> tuple[str, str, Write, list[Row]] | None:
    """Key, name and writer of what sums these evaluations up, and the rows that have it; None where none has any."""
    for key, name, write in HEADLINES:
        known = [row for row in rows if is_number(row.get(key)) and is_number(row.get("step"))]
        if known:
            return key, name, write, known
    return None


def change(rows: Sequence[Row]) -> str | None:
    """The headline from the first evaluation to the last, and how many families an attacker found, where it is one."""
    found = headline_of(rows)
    if found is None:
        return None
    key, name, write, known = found
    text = f"{name} {write(known[0][key])} -> {write(known[-1][key])}"
    return text + (f", families {number(known[-1]['eval/families'])}" if "eval/families" in known[-1] else "")


def own(row: Row) -> dict[str, str]:
    """Those of an evaluation's own measures that one line has room for, written out, by name."""
    return {OWN[key][0]: OWN[key][1](row[key]) for key in IN_ONE_LINE if key in row}
