"""A proof in one picture: for each claim the baseline, the method and the method switched off, seed by seed."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.experiments.harness.figure import save_figure
from steelyard.experiments.harness.proof_record import ClaimRecord, ProofRecord, effect_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 4
"""Claims side by side; more begin another row."""
_COLORS = {"baseline": "#666666", "ours": "#0072B2", "off": "#D55E00"}


def draw(record: ProofRecord, file: Path) -> None:
    """Write the picture as PNG."""
    num = len(record.claims)
    across = min(len(record.claims), ACROSS)
    down = -(-num // across)

    def fill(figure: "Figure") -> None:
        places = list(figure.subplots(down, across, squeeze=False).flat)
        for ax, claim in zip(places, record.claims, strict=False):
            _claim(ax, claim)
        for ax in places[num:]:
            ax.remove()
        quick = ", a quick run" if record.quick else ""
        figure.suptitle(f"{record.id}: {record.verdict} ({len(record.seeds)} seeds{quick})", fontsize=11)

    save_figure(file, fill, (3.3 * across, 3.6 * down))


def _claim(ax: "Axes", claim: ClaimRecord) -> None:
    columns = {
        "baseline": (str(claim.baseline), claim.baseline_by_seed),
        "ours": (claim.ours, claim.ours_by_seed),
        "off": ("switched off", claim.control_by_seed),
    }
    for one, two in (("baseline", "ours"), ("ours", "off")):  # a seed's points are joined: they are pairs
        at = [list(columns).index(name) for name in (one, two)]
        for pair in zip(columns[one][1], columns[two][1], strict=True):
            ax.plot(at, pair, color="#c9ced4", linewidth=0.9, zorder=1)
    for x, (name, (_, values)) in enumerate(columns.items()):
        ax.scatter([x] * len(values), values, color=_COLORS[name], s=26, zorder=2)
    ax.set_xticks(range(3), [textwrap.fill(label, 13) for label, _ in columns.values()], fontsize=8.5)
    ax.set_xlim(-0.4, 2.4)
    ax.set_ylabel(claim.metric + (" (lower is better)" if claim.lower_is_better else ""), fontsize=9)
    lines = (claim.text, f"{effect_of(claim)}: {claim.verdict}")
    ax.set_title("\n".join(textwrap.fill(line, 38) for line in lines), fontsize=8.5, loc="left")
