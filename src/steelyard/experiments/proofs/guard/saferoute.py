"""SafeRoute on toy safety: the large guard's F1 from few questions, where the small guard is sure of itself and wrong.

Both guards are networks over bags of words (`BagGuard`). The small one (width 64) learned from requests without
cloaks; the large one (width 128) from all families. Routers learn on requests that no guard saw, and are measured on
held-out ones: each sends the same share of them, those with its highest scores, to the large guard (f1@10 is at 10
%). Arms: SafeRoute; the entropy of the small guard's ruling; a random choice; either guard alone (its f1 at every
share); the oracle, which knows where the large guard mends something; and the control, SafeRoute with its labels
shuffled. `routed` and `f1` are those at the router's own threshold.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from steelyard.core import Prompt, derive, rng
from steelyard.experiments.harness import Claim, Proof
from steelyard.guard import BagGuard, Cascade, SafeRoute, f1, needs_large
from steelyard.worlds.safety import ToySafety

SHARES = (10, 20, 30)


def labelled(prompts: Sequence[Prompt]) -> tuple[list[str], Bool[Tensor, "N"]]:
    """The requests, and what the rule says of them."""
    return [str(p.text) for p in prompts], torch.tensor([bool(p.columns["harm"]) for p in prompts])


def measure(seed: int, quick: bool) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The guards, then each way to choose between them."""
    task = ToySafety(requests=12_000 if quick else 20_000, data_seed=seed)
    steps = 1000 if quick else 1500
    train = list(task.prompts("train"))
    held_out = list(task.prompts("held-out"))
    for_guards = train[: len(train) // 2]
    for_router = train[len(train) // 2 :]
    words = [word for kind in task.lexicon.words.values() for word in kind]
    known = [p for p in for_guards if p.columns["family"] in ("plain", "permitted")]
    seen, _ = labelled(for_guards)
    small = BagGuard(words, width=64, seed=derive(seed, "small")).fit(*labelled(known), seen, steps=steps, seed=seed)
    large = BagGuard(words, width=128, seed=derive(seed, "large")).fit(
        *labelled(for_guards), seen, steps=steps, seed=seed
    )

    texts, truth_N = labelled(for_router)
    state_ND = small(texts).state_ND
    right_N = (small(texts).harm_N >= 0.5) == truth_N
    large_right_N = (large(texts).harm_N >= 0.5) == truth_N
    order = rng(seed, "shuffle").permutation(len(texts))
    gate = SafeRoute().fit(state_ND, right_N, large_right_N, seed=seed)
    blind = SafeRoute().fit(state_ND, right_N[order], large_right_N[order], seed=seed)

    texts, truth_N = labelled(held_out)
    one = small(texts)
    other = large(texts)
    small_N = one.harm_N >= 0.5
    large_N = other.harm_N >= 0.5
    scores = {
        "saferoute": gate.score(one.state_ND),
        "saferoute-off": blind.score(one.state_ND),
        "entropy": -(one.harm_N - 0.5).abs(),
        "random": torch.from_numpy(rng(seed, "random").random(len(texts))),
        "oracle": needs_large(small_N == truth_N, large_N == truth_N).float(),
    }
    for arm, said_N in (("small", small_N), ("large", large_N)):
        yield arm, {f"f1@{share}": f1(said_N, truth_N) for share in SHARES}
    for arm, score_N in scores.items():
        order = np.argsort(-score_N.numpy(), kind="stable")
        row = {}
        for share in SHARES:
            routed_N = torch.zeros_like(small_N)
            routed_N[order[: len(order) * share // 100].tolist()] = True
            row[f"f1@{share}"] = f1(torch.where(routed_N, large_N, small_N), truth_N)
        if arm == "saferoute":
            ruled_N = Cascade(small, large, gate)(texts).harm_N >= 0.5
            routed_N = gate.routes(one.state_ND)
            row |= {"f1": f1(ruled_N, truth_N), "routed": float(routed_N.float().mean())}
        yield arm, row


PROOF = Proof(
    proves=("saferoute",),
    ours="saferoute",
    control="saferoute-off",
    equal="both guards and what they say, and at each share the number of requests sent to the large one",
    claims=(
        Claim("With 30 % routed, F1 is within 2 points of the large guard's", "f1@30", "large", min_effect=-0.02),
        Claim("With 20 % routed, F1 is 5 points above routing by entropy", "f1@20", "entropy", min_effect=0.05),
        Claim("With 20 % routed, F1 is 10 points above a random choice", "f1@20", "random", min_effect=0.1),
    ),
    measure=measure,
)
