"""Colours of plots and pages, for readers' light and dark themes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours of a plot. paper : background; ink : text; lines : of axes and grid; series : of what is compared."""

    name: str
    paper: str
    ink: str
    lines: str
    series: tuple[str, ...]


THEMES = (
    Theme("light", "#ffffff", "#1f2328", "#d1d9e0", ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#656d76")),
    Theme("dark", "#0d1117", "#f0f6fc", "#3d444d", ("#58a6ff", "#f0883e", "#3fb950", "#bc8cff", "#9198a1")),
)
