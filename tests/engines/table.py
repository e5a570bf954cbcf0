"""What the conformance suite has measured, as a table: a row for each check, a column for each engine."""

from collections import defaultdict


class Table:
    """Filled in by tests."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[str, str]] = defaultdict(dict)

    def add(self, check: str, engine: str, found: str) -> None:
        """What an engine came to."""
        self._cells[check][engine] = found

    def text(self) -> str:
        """The table in Markdown; a dash where an engine was not asked."""
        engines = [
            name
            for name in ("native", "transformers", "vllm", "yours")
            if any(name in row for row in self._cells.values())
        ]
        lines = [f"| | {' | '.join(engines)} |", "|---" * (1 + len(engines)) + "|"]
        for check, row in self._cells.items():
            lines.append(f"| {check} | {' | '.join(row.get(name, '-') for name in engines)} |")
        return "\n".join(lines) + "\n"
