r"""The answer that a solution puts in a box: `\boxed{\frac{1}{2}}`, as the data set MATH does."""

BOXES = ("\\boxed{", "\\fbox{")


def last_box(text: str) -> str | None:
    r"""The last whole `\boxed{...}` (or `\fbox{...}`) of a text, always written as `\boxed{...}`; None without one."""
    start, opening = max((text.rfind(box), box) for box in BOXES)
    if start < 0:
        return None
    begin = start + len(opening)
    depth = 1
    for at in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return "\\boxed{" + text[begin:at] + "}"
    return None
