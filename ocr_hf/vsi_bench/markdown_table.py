"""Tables and intervals in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[object]], align: str = "---:") -> str:
    """Return a Markdown table; `align` is the rule under all columns but the first."""
    lines = [header, ["---", *[align] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def interval_text(bounds: Sequence[float] | None, digits: int = 1) -> str:
    """Return an interval in brackets, or that there is none."""
    return f"[{bounds[0]:.{digits}f}, {bounds[1]:.{digits}f}]" if bounds else "(no interval)"


def bounds_text(bounds: Sequence[float] | None) -> str:
    """Return an interval as a table's cell has it."""
    return f"{bounds[0]:.1f} – {bounds[1]:.1f}" if bounds else "–"
