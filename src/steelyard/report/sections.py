"""The page's charts, section by section: each a function of the run's records, None where they hold nothing for it."""

from collections import Counter
from collections.abc import Callable, Sequence

from steelyard.report.blocks import Section, Table, figure, half, wide
from steelyard.report.format import is_number, number, percent
from steelyard.report.gauges import age_shares, ages_of
from steelyard.report.job_section import drawing, job
from steelyard.report.measures import PASS_AT, attempts_of
from steelyard.report.pace_section import idle, speed
from steelyard.report.plots import HELD_OUT, LEARNER, OTHER, SEARCHER, Series, areas, histogram, lines
from steelyard.report.records import Row, RunRecords


def held_out(run: RunRecords) -> Section | None:
    """Accuracy with its interval, and pass@k at the training temperature; not where the exact distance says more."""
    if any("eval/total_variation" in row for row in run.evals):
        return None
    accuracy = Series(run.evals, "eval/accuracy", "accuracy", HELD_OUT, band=_ends("eval/accuracy"))
    looks = ((LEARNER, "-"), (SEARCHER, "--"), (OTHER, ":"))
    tries = [
        Series(run.evals, f"{PASS_AT}{k}", f"pass@{k}", *look, band=_ends(f"{PASS_AT}{k}"))
        for k, look in zip(attempts_of(run.evals), looks, strict=False)
    ]
    alt = f"Greedy held-out accuracy: {_change(run.evals, 'eval/accuracy', percent)}."
    left = lines("accuracy", alt, [accuracy], y="accuracy", share=True)
    right = lines("pass", "Share of held-out prompts that k samples solve.", tries, y="prompts solved", share=True)
    figures = [
        figure(left, "One greedy answer to each held-out prompt. Band: 95% interval (Wilson)."),
        figure(
            right,
            "Samples at the training temperature. pass@k: at least one of k is correct. Bands: 95% intervals over "
            "prompts.",
        ),
    ]
    return wide("accuracy", "Held-out accuracy", figures)


def _ends(key: str) -> tuple[str, str]:
    """Keys of the interval of a held-out measure."""
    return f"{key}_low", f"{key}_high"


def own(run: RunRecords) -> Section | None:
    """What the task measures of its own, and how far the policy has gone from its reference."""
    shares = ("eval/success", "eval/gold_win_rate", "eval/proxy_win_rate")
    figures = [
        figure(
            drawing(run, "own", "share", shares, share=True), "Held-out samples: attacks that succeed, comparisons won."
        ),
        figure(
            drawing(run, "families", "families", ["eval/families"]), "Families of attacks among those that succeed."
        ),
        figure(
            drawing(run, "apart", "cosine distance", ["eval/diversity", "eval/diversity_success"]),
            "Mean distance between two attacks, and between two that succeed.",
        ),
        figure(drawing(run, "rewards-own", "reward", ["eval/gold", "eval/proxy"]), "Mean reward of held-out samples."),
        figure(
            drawing(run, "drift", "nats", ["eval/kl_to_reference", "eval/kl_from_reference"]),
            "From the policy to its reference, KL(pi, ref), and back, KL(ref, pi), for a completion.",
        ),
    ]
    return wide("own", "What the task measures", figures)


def target(run: RunRecords) -> Section | None:
    """The exact distance to pi*, on tasks whose completions can be listed."""
    distance = Series(run.evals, "eval/total_variation", "total variation", HELD_OUT)
    nats = [
        Series(run.evals, "eval/kl", "KL to the target", HELD_OUT),
        Series(run.evals, "eval/log_z_error", "error of log Z", LEARNER, "--"),
    ]
    alt = f"Total variation to the target: {_change(run.evals, 'eval/total_variation', number)}."
    left = lines("variation", alt, [distance], y="total variation")
    right = lines("kl", f"KL divergence to the target: {_change(run.evals, 'eval/kl', number)}.", nats, y="nats")
    figures = [
        figure(left, "Between the policy and the target pi*, summed over every completion. 0 is equal, 1 is disjoint."),
        figure(right, "KL from the policy to pi*, and how far its estimate of log Z is from the exact value."),
    ]
    return wide("target", "Distance to the exact target", figures)


def reward(run: RunRecords) -> Section | None:
    """What the learner learns from, what searchers find, and what held-out samples earn."""
    series = [
        Series(run.metrics, "batch/reward_mean", "learner's batch", LEARNER),
        Series(run.metrics, "search/reward_mean", "just found", SEARCHER, "--"),
        Series(run.evals, "eval/reward_mean", "held out", HELD_OUT, "-.", band=_ends("eval/reward_mean")),
    ]
    plot = lines("rewards", "Mean reward over learner steps.", series, y="mean reward")
    return half(
        "reward", "Reward", figure(plot, "Of what the learner drew, what searchers just found, and held-out samples.")
    )


def length(run: RunRecords) -> Section | None:
    """Completion lengths."""
    series = [
        Series(run.metrics, "batch/length_mean", "learner's batch", LEARNER),
        Series(run.metrics, "search/length_mean", "just found", SEARCHER, "--"),
        Series(run.evals, "eval/length_mean", "held out", HELD_OUT, "-."),
        Series(run.evals, "eval/length_stopped", "held out, ended by itself", OTHER, ":"),
    ]
    plot = lines("lengths", "Mean completion length over learner steps.", series, y="tokens")
    return half("length", "Response length", figure(plot, "Mean number of tokens in a completion."))


def endings(run: RunRecords) -> Section | None:
    """What was cut off, and words of reflection: longer responses alone say neither."""
    series = [
        Series(run.metrics, "search/truncated", "cut off, just found", SEARCHER, "--"),
        Series(run.evals, "eval/truncated", "cut off, held out", HELD_OUT, "-."),
        Series(run.evals, "eval/reflection", "words of reflection, held out", OTHER, ":"),
    ]
    plot = lines("endings", "Shares of completions over learner steps.", series, y="completions", share=True)
    caption = "Completions that reached their limit, and samples that look back at what they say (wait, let me check)."
    return half("endings", "Cut off, and reflection", figure(plot, caption))


def style(run: RunRecords) -> Section | None:
    """The mixture of styles, of all samples and of correct ones."""
    groups = {"eval/styles": "all samples", "eval/correct_styles": "correct samples"}
    weight: Counter[str] = Counter()
    for row in run.evals:
        for key in groups:
            weight.update(row.get(key) or {})
    if not weight:
        return None
    names = [name for name, _ in weight.most_common()]
    last: dict[str, Row] = {k: next((row[k] for row in reversed(run.evals) if row.get(k)), {}) for k in groups}
    cells = [[name, *(percent(shares.get(name, 0.0)) for shares in last.values())] for name in names]
    plots = [
        areas(k.rpartition("/")[2], f"Shares of styles among {of}.", run.evals, k, names) for k, of in groups.items()
    ]
    figures = [figure(plot, f"Of {of}, held out.") for plot, of in zip(plots, groups.values(), strict=True)]
    numbers = Table(["style", *groups.values()], cells, caption="At the last evaluation.")
    return wide("style", "How answers are written", figures, numbers)


def staleness(run: RunRecords) -> Section | None:
    """How old the trajectories were that the learner used, over the whole run and over its steps."""
    counts: Counter[int] = Counter()
    for row in run.metrics:
        counts.update(ages_of(row))
    mean = sum(age * n for age, n in counts.items()) / max(1, counts.total())
    text = f"{number(counts.total())} uses, mean staleness {number(mean)}, at most {number(max(counts, default=0))}."
    plot = histogram("ages", text, counts, x="versions behind the learner", y="times used")
    caption = f"How many versions old a trajectory's weights were when the learner used it. {text}"
    rows, names = age_shares(run.metrics)
    over_time = areas("ages-over-time", "Shares of draws, by age.", rows, "ages", names, y="share of draws")
    drawn = figure(over_time, "Share of what the learner drew by age: how many versions behind the learner it was.")
    whole = figure(plot, caption)
    return half("staleness", "Staleness", whole) if drawn is None else wide("staleness", "Staleness", [whole, drawn])


def replay(run: RunRecords) -> Section | None:
    """How much the buffer holds, and what came of the trajectories that were handed to it."""
    alt = f"Trajectories in the replay buffer: {_change(run.metrics, 'replay/size', number)}."
    plot = lines("stored", alt, [Series(run.metrics, "replay/size", "stored", OTHER)], y="trajectories")
    flow = [
        Series(run.metrics, "replay/admitted", "admitted", SEARCHER),
        Series(run.metrics, "replay/duplicates", "duplicates", OTHER, "--"),
        Series(run.metrics, "replay/evicted", "evicted", LEARNER, "-."),
        Series(run.metrics, "replay/refused", "refused", HELD_OUT, ":"),
    ]
    counted = lines("flow", "Trajectories admitted, refused and evicted so far.", flow, y="trajectories so far")
    reuse = lines("reuse", "Draws of an admitted trajectory so far.", [_reuse(run)], y="draws")
    drawn = figure(reuse, "How often an admitted trajectory was drawn for the learner so far, in the mean.")
    shown = figure(plot, "Trajectories that the learner can draw from.")
    counts = figure(counted, "Since the start. Of two equal trajectories of a prompt, a duplicate, one is kept.")
    return (
        half("replay", "Replay buffer", shown or counts)
        if counts is None or shown is None
        else wide("replay", "Replay buffer", [shown, counts, drawn])
    )


def _reuse(run: RunRecords) -> Series:
    """Trajectories in all batches so far, over those that the buffer has admitted."""
    rows: list[Row] = []
    drawn = 0.0
    for row in run.metrics:
        size, admitted = row.get("batch/trajectories"), row.get("replay/admitted")
        drawn += size if is_number(size) else 0.0
        if drawn and is_number(admitted) and admitted > 0:
            rows.append({"step": row.get("step"), "reuse": drawn / admitted})
    return Series(rows, "reuse", "draws", LEARNER)


def loss(run: RunRecords) -> Section | None:
    """Loss and gradient norm."""
    left = lines("losses", "Loss over learner steps.", [Series(run.metrics, "learner/loss", "loss", LEARNER)], y="loss")
    norm = [Series(run.metrics, "learner/grad_norm", "gradient norm", OTHER)]
    right = lines("norms", "Gradient norm over learner steps.", norm, y="gradient norm")
    figures = [figure(left, "Loss of each learner step."), figure(right, "Norm of the gradient of each learner step.")]
    return wide("loss", "Loss and gradient", figures)


def objective(run: RunRecords) -> Section | None:
    """What the objective and the policy report of a step: distance to the reference, entropy, residual, clipping."""
    nats = [
        Series(run.metrics, "objective/kl", "KL to the reference", LEARNER),
        Series(run.metrics, "learner/kl", "KL of the update", HELD_OUT, "-."),
        Series(run.metrics, "learner/entropy", "entropy of a token", SEARCHER, "--"),
        Series(run.metrics, "objective/entropy", "entropy, objective's", OTHER, ":"),
    ]
    sampled = [Series(run.metrics, "search/entropy", "mean of -log p", SEARCHER)]
    residual = [Series(run.metrics, "objective/residual_rms", "residual", LEARNER)]
    moment = [Series(run.metrics, "objective/m2", "second moment", HELD_OUT)]
    clipped = [
        Series(run.metrics, "objective/clip_share", "clipped", LEARNER),
        Series(run.metrics, "objective/masked_share", "masked", SEARCHER, "--"),
        Series(run.metrics, "objective/clamped", "weight clamped", HELD_OUT, "-."),
    ]
    weight = [Series(run.metrics, "learner/ess", "effective sample size", HELD_OUT)]
    figures = [
        figure(
            lines("ess", "Effective sample size over learner steps.", weight, y="share of the batch", share=True),
            "How many samples of the policy itself those of the batch are worth, by the ratios pi / mu of whole "
            "completions: 100% where it has not moved since they were drawn.",
        ),
        figure(lines("nats", "KL and entropy over learner steps.", nats, y="nats"), "Of what the learner drew."),
        figure(
            lines(
                "sampled-entropy", f"Sampled entropy: {_change(run.metrics, *_ENTROPY)}.", sampled, y="nats per token"
            ),
            "Mean of -log p over the tokens that searchers just sampled: an estimate of the entropy of the policy that "
            "samples. Where it goes to 0, samples are all alike.",
        ),
        figure(
            lines("moment", "Second moment of the log ratios over learner steps.", moment, y="nats squared"),
            "Mean square of the log ratio pi / mu of a token: what a trust region on it bounds.",
        ),
        figure(
            lines("residual", "Size of the residual over learner steps.", residual, y="reward units"),
            "Root mean square of what trajectory balance drives to 0.",
        ),
        figure(
            lines("clipped", "Share of tokens that a bound holds.", clipped, y="tokens", share=True),
            "Tokens whose importance ratio is beyond a bound. Clipped and masked ones give no gradient; clamped ones "
            "keep theirs, at the weight of the bound.",
        ),
    ]
    return wide("objective", "Objective", figures)


def logp_mismatch(run: RunRecords) -> Section | None:
    """How far the engine's log-probabilities are from the learner's."""
    series = [
        Series(run.metrics, "search/logp_mismatch_mean", "mean", SEARCHER),
        Series(run.metrics, "search/logp_mismatch_max", "largest", OTHER, "--"),
    ]
    plot = lines("gauge", "Difference between engine and learner.", series, y="nats per token")
    text = f"Differences of log-probabilities on a few tokens of each batch. {_change(run.metrics, *_MISMATCH)}."
    return half("logp-mismatch", "Engine and learner agree", figure(plot, text))


def faults(run: RunRecords) -> Section | None:
    """What died or hung, and what the verifier failed on."""
    shown = []
    if run.faults:
        cells = [[number(row.get("step")), str(row.get("who")), str(row.get("why"))] for row in run.faults[-_SHOWN:]]
        shown.append(Table(["step", "who", "why"], cells, caption=f"{len(run.faults)} faults, the latest last."))
    if run.quarantine:
        cells = [
            [str(row.get("prompt_id")), str(row.get("completion")), str(row.get("error"))]
            for row in run.quarantine[-_SHOWN:]
        ]
        caption = f"{len(run.quarantine)} completions without a reward, the latest last: see quarantine.jsonl."
        shown.append(Table(["prompt", "completion", "error of the verifier"], cells, caption=caption))
    return Section("faults", "Faults and failed verifications", tables=shown) if shown else None


_SHOWN = 20
_ENTROPY = ("search/entropy", number)
_MISMATCH = ("search/logp_mismatch_mean", number)
CHARTS = (
    target,
    own,
    job,
    held_out,
    reward,
    length,
    endings,
    style,
    staleness,
    replay,
    idle,
    speed,
    loss,
    objective,
    logp_mismatch,
    faults,
)


def _change(rows: Sequence[Row], key: str, write: Callable[[object], str]) -> str:
    known = [row for row in rows if is_number(row.get(key))]
    ends = known[:1] + known[1:][-1:]
    return ", ".join(f"{write(row[key])} at step {row.get('step')}" for row in ends)
