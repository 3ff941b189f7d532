"""Extraction rules by name: how each harness gets from a model's text to an answer, and from the answer to a score.

Numbers from different harnesses can't be compared unless it is known by which rule each was read: a rule moves a score
by points. A rule has a version and a source, since harnesses change theirs. White space around a text never decides:
the wrappers that harnesses put around models strip what was decoded, so rules do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .extract import extract_answer_tag, extract_official
from .harness_rules import read_easi, read_lmms_eval_0_7_2, read_lmms_eval_0_7_3, read_vlmevalkit
from .tasks import unit_of


@dataclass(frozen=True)
class Rule:
    """One way to read answers and compare numbers.

    name : what `extraction` and `rules` call it; help : one sentence for the documentation
    version : of the harness, "" for a rule of ours; source : where it is from
    read : (text, unit) -> answer, "" where there is none; unit is None for letters, "" for counts, "m", "cm", "m2"
    average : which average its harness publishes, "macro" (of the tasks) or "micro" (of the questions)
    strict : whether an error has to be smaller than a tolerance (<) instead of at most as large (<=)
    """

    name: str
    help: str
    version: str
    source: str
    read: Callable[[str, str | None], str]
    average: str = "macro"
    strict: bool = False


def _official(text: str, unit: str | None) -> str:
    return extract_official(text.strip())


def _official_unstripped(text: str, unit: str | None) -> str:
    return extract_official(text)


_KINDS = {
    None: "object_rel_distance",
    "": "object_counting",
    "m": "object_abs_distance",
    "cm": "object_size_estimation",
}
_KINDS["m2"] = "room_size_estimation"


def _answer_tag(text: str, unit: str | None) -> str:
    return extract_answer_tag(text, _KINDS[unit])


OWN_RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "official",
            "text up to the first space, without full stops; the whole text is stripped first, as wrappers do",
            "2024-12",
            "vision-x-nyu/thinking-in-space",
            _official,
        ),
        Rule(
            "answer_tag",
            "ours, for models that think aloud: the `<answer>` tag, units and number words; unread where it is unclear",
            "",
            "ocr_hf/vsi_bench/extract.py",
            _answer_tag,
        ),
        Rule(
            "official_unstripped",
            "the official scorer alone, without any wrapper: a leading space or a final line feed costs the answer",
            "2024-12",
            "vision-x-nyu/thinking-in-space",
            _official_unstripped,
        ),
        Rule(
            "lmms_eval@0.7.2",
            "reasoning tags are removed, then official; before 0.7 official alone",
            "0.7 to 0.7.2",
            "EvolvingLMMs-Lab/lmms-eval",
            read_lmms_eval_0_7_2,
        ),
        Rule(
            "lmms_eval@0.7.3",
            "reasoning tags are removed; the first number or number word anywhere; letters as official",
            "0.7.3",
            "EvolvingLMMs-Lab/lmms-eval",
            read_lmms_eval_0_7_3,
        ),
        Rule(
            "vlmevalkit",
            "all of the text is a number, or a letter that a full stop may follow; errors are compared with `<`",
            "baeb71b",
            "open-compass/VLMEvalKit",
            read_vlmevalkit,
            average="micro",
            strict=True,
        ),
        Rule(
            "easi",
            "EASI's matching: tag, last lines, last number; words up to twenty. Asked with its own prompts",
            "485f04c",
            "EvolvingLMMs-Lab/VLMEvalKit",
            read_easi,
        ),
    )
}
"""The rules that come with the package, by name; the first is the benchmark's own."""

_more_rules: list[Callable[[], Mapping[str, Rule]]] = []


def add_rules(find: Callable[[], Mapping[str, Rule]]) -> None:
    """Let rules beyond these be found.

    Args:
        find: Returns name -> rule. It is called when a name isn't one of ours, so that registries and plugins needn't
            be imported before.
    """
    _more_rules.append(find)


def find_rule(name: str) -> Rule:
    """Return a rule by its name; raise ValueError for an unknown one."""
    if name in OWN_RULES:
        return OWN_RULES[name]
    for find in _more_rules:
        rules = find()
        if name in rules:
            return rules[name]
    raise ValueError(f"extraction {name!r} is unknown; use one of {', '.join(OWN_RULES)}, or of a plugin's")


def extract(text: str | None, question_type: str, extraction: str = "official") -> str:
    """Return the answer in `text` by the named rule; raise ValueError for an unknown rule or question type."""
    return find_rule(extraction).read(text or "", unit_of(question_type))
