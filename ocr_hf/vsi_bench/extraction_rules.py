"""The registry of extraction rules: those of `rules.py`, and those that plugins add.

The rules themselves import nothing of the rest, so that the metric's Space and the rewards carry them; here they become
entries like any others. A rule of your own is a `Rule` that your module registers.
"""

from __future__ import annotations

from ocr_hf.registry import Registry
from ocr_hf.vsi_bench.rules import OWN_RULES, Rule

EXTRACTIONS: Registry[Rule] = Registry(
    "extraction", requires=("name", "help", "version", "source", "read", "average", "strict")
)
"""Every extraction rule by its name, the benchmark's own first."""

for _rule in OWN_RULES.values():
    EXTRACTIONS.register(_rule)


def chosen_rules(names: tuple[str, ...] | list[str]) -> list[Rule]:
    """Return the rules of a setting: each name once, "all" for every one.

    Raises:
        ValueError: There is no rule of a name; the nearest is suggested.
    """
    if "all" in names:
        return list(EXTRACTIONS.values())
    return [EXTRACTIONS.find(name, "rules") for name in dict.fromkeys(names)]
