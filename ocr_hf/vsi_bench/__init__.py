"""VSI-Bench: scoring, prompts, the evaluation harness and its audits."""

from __future__ import annotations

from collections.abc import Mapping

from ocr_hf.vsi_bench import rules, tasks


def _registered_units() -> Mapping[str, str | None]:
    from ocr_hf.questions.question_types import QUESTION_TYPES

    return {name: entry.unit for name, entry in QUESTION_TYPES.items()}


def _registered_rules() -> Mapping[str, rules.Rule]:
    from ocr_hf.vsi_bench.extraction_rules import EXTRACTIONS

    return EXTRACTIONS


def _layout_units() -> Mapping[str, str | None]:
    from ocr_hf.vsi_bench.layouts import layout_units

    return layout_units()


# The scorer itself imports nothing of the rest, so that it can be copied into the metric; here it learns what plugins
# have registered, in every process that uses it
tasks.add_units(_registered_units)
tasks.add_units(_layout_units)
rules.add_rules(_registered_rules)
