"""A proof in one picture: for each claim a lane of dots for the baseline, the method and the control, seed by seed.

The picture is an SVG of a few kilobytes, written by hand: 160 of them lie in the source tree.
"""

import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from steelyard.core import SteelyardError
from steelyard.experiments.harness.proof_record import ClaimFigures, ClaimRecord, ProofRecord, effect_of
from steelyard.experiments.harness.spread import short
from steelyard.runtime.run_dir.disk import put, writing

WIDTH = 680
LEFT = 150
"""Where axes begin, or further to the right where a label is longer."""
RIGHT = 660
LETTER = 6.8
"""Width of a label's letter."""
LANE = 18
LINE = 15
WRAP = 100
"""Characters of a line."""
_STYLE = (
    "text{font:12px sans-serif;fill:#3a424b}.t{font-weight:bold}.baseline{fill:#666666;stroke:#666666}"
    ".ours{fill:#0072B2;stroke:#0072B2}.control{fill:#D55E00;stroke:#D55E00}.later{fill:none}line{stroke:#c9ced4}"
)


def draw(record: ProofRecord, file: Path) -> None:
    """Write the picture, whole or not at all; the same record gives the same bytes.

    Raises:
        SteelyardError: the file cannot be written.
    """
    with writing(file, SteelyardError):
        put(file, picture(record).encode())


def picture(record: ProofRecord) -> str:
    """The picture: dots of the first block are filled, those of the later one are not."""
    verdicts = ", then ".join(
        f"{block.verdict} on seeds {block.seeds[0]} to {block.seeds[-1]}" for block in record.blocks
    )
    parts = [_text(10, 20, f"{record.id}: {verdicts}{' (a quick run)' if record.quick else ''}", "t")]
    top = 40
    labels = [label for claim in record.claims for label in (claim.ours, _baseline(claim), _control(claim))]
    left = max(LEFT, round(10 + LETTER * max(map(len, labels), default=0)))
    for number, claim in enumerate(record.claims):
        drawn, top = _claim(claim, [block.claims[number] for block in record.blocks], left, top)
        parts += drawn
    box = f'viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}><style>{_STYLE}</style>'
    ground = f'<rect width="{WIDTH}" height="{top}" fill="#fff"/>'
    return "\n".join([head, ground, *parts, "</svg>", ""])


def _baseline(claim: ClaimRecord) -> str:
    return claim.baseline if isinstance(claim.baseline, str) else f"given: {claim.baseline:g}"


def _control(claim: ClaimRecord) -> str:
    return f"control {claim.control}" if claim.control else ""


def _claim(claim: ClaimRecord, blocks: Sequence[ClaimFigures], left: int, top: int) -> tuple[list[str], int]:
    """The lanes of a claim from `top` down, with axes from `left` on, and where they end."""
    said = [f"{claim.metric}: {claim.text}", *(f"{effect_of(claim, each)}: {each.verdict}" for each in blocks)]
    parts = []
    for line in (line for text in said for line in textwrap.wrap(text, WRAP)):
        parts.append(_text(10, top + LINE, line))
        top += LINE
    lanes = [
        ("baseline", _baseline(claim), [each.baseline_by_seed for each in blocks]),
        ("ours", claim.ours, [each.ours_by_seed for each in blocks]),
        ("control", _control(claim), [each.control_by_seed for each in blocks]),
    ]
    lanes = [lane for lane in lanes if any(lane[2])]
    values = [value for _, _, by_block in lanes for block in by_block for value in block]
    low = min(values, default=0.0)
    span = (max(values, default=0.0) - low) or 1.0
    for kind, label, by_block in lanes:
        top += LANE
        parts.append(_text(10, top + 4, label))
        parts.append(f'<line x1="{left}" x2="{RIGHT}" y1="{top}" y2="{top}"/>')
        parts += _dots(kind, by_block, (low, span), left, top)
    top += LANE
    parts.append(_text(left, top, short(low)))
    better = " (lower is better)" if claim.lower_is_better else ""
    parts.append(_text(RIGHT, top, short(low + span) + better, end=True))
    return parts, top + LANE


def _dots(
    kind: str, by_block: Sequence[Sequence[float]], scale: tuple[float, float], left: int, y: int
) -> Iterator[str]:
    """Dots of every block on one axis; `scale` is its lowest value and its length."""
    low, span = scale
    for number, values in enumerate(by_block):
        later = " later" if number else ""
        for value in values:
            x = left + (RIGHT - left) * (value - low) / span
            yield f'<circle class="{kind}{later}" cx="{x:.1f}" cy="{y}" r="4"/>'


def _text(x: int, y: int, text: str, kind: str = "", *, end: bool = False) -> str:
    style = (f' class="{kind}"' if kind else "") + (' text-anchor="end"' if end else "")
    return f'<text x="{x}" y="{y}"{style}>{escape(text)}</text>'
