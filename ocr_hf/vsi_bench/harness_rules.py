"""How other harnesses read an answer out of a text: lmms-eval, VLMEvalKit and EASI, from their published behaviour.

docs/extractions.md says where each fact is from. Vectors recorded from the harnesses' own code hold the rules to them
(tests/vsi_bench/harness_vectors.json). All are total, and take time linear in the length of the text.
"""

from __future__ import annotations

import ast
import re
import warnings

from .extract import extract_official
from .tasks import LETTERS

# ---- lmms-eval

_REASONING = (("<think>", "</think>"), ("<analysis>", "</analysis>"))
"""What `--reasoning_tags` removes unless it is told otherwise; upper case is another tag."""


def strip_reasoning(text: str) -> str:
    """Return a text without what was thought, stripped, as lmms-eval hands it to its tasks since 0.7.

    A tag that is never closed stays, with all that follows. Where only closing tags are left, for the prompt opened
    the first, what follows the last of them counts.
    """
    for opened, closed in _REASONING:
        before = None
        while before != text:  # a removal can leave a tag that was in two pieces
            before, text = text, _without_blocks(text, opened, closed)
        if closed in text and opened not in text:
            text = text.rsplit(closed, 1)[-1]
    return text.strip()


def _without_blocks(text: str, opened: str, closed: str) -> str:
    kept, place = [], 0
    while (start := text.find(opened, place)) >= 0 and (end := text.find(closed, start)) >= 0:
        kept.append(text[place:start])
        place = end + len(closed)
    return "".join([*kept, text[place:]])


_DIGITS = re.compile(r"-?\d+(?:\.\d+)?")
_UP_TO_TWENTY = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_VALUES = {word: value for value, word in enumerate(_UP_TO_TWENTY)}
_VALUES |= {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_VALUES |= {"hundred": 100, "thousand": 1000}


def lmms_eval_number(text: str) -> str:
    """Return the first number of a text, in digits or in words, whichever begins first; units are passed over.

    Words that follow one another, with or without "and", are one number: "three hundred and twenty-one". "4-5" is 4.
    """
    text = text.strip().lower()
    digits = _DIGITS.search(text)
    words = _first_words(text)
    if digits is not None and (words is None or digits.start() < words[0]):
        return digits.group()
    return "" if words is None else str(_value_of(words[1]))


def _first_words(text: str) -> tuple[int, list[str]] | None:
    """Return where the first run of number words begins, and its words."""
    place, run = 0, []
    for match in re.finditer(r"[a-z]+", text):
        word = match.group()
        if word in _VALUES:
            place = place if run else match.start()
            run.append(word)
        elif run and word != "and":
            break
    return (place, run) if run else None


def _value_of(words: list[str]) -> int:
    total = current = 0
    for word in words:
        value = _VALUES[word]
        if value == 1000:
            total, current = total + max(current, 1) * 1000, 0
        elif value == 100:
            current = max(current, 1) * 100
        else:
            current += value
    return total + current


def read_lmms_eval_0_7_2(text: str, unit: str | None) -> str:
    """Return the answer by lmms-eval 0.7 to 0.7.2: the official rule on the text without its reasoning."""
    return extract_official(strip_reasoning(text))


def read_lmms_eval_0_7_3(text: str, unit: str | None) -> str:
    """Return the answer by lmms-eval 0.7.3: numbers from anywhere in the text, letters as before."""
    answer = strip_reasoning(text)
    return extract_official(answer) if unit is None else lmms_eval_number(answer)


# ---- VLMEvalKit


def read_vlmevalkit(text: str, unit: str | None) -> str:
    """Return the answer by VLMEvalKit: all of the text is the number, or the letter, or begins with "B."."""
    text = text.strip()
    if unit is None and text[1:2] == "." and text[:1].upper() in LETTERS:
        return text[0]
    return text


# ---- EASI, by matching; its judge models can't be had here

_INVISIBLE = re.compile("[\u200b\u200c\u200d\ufeff]")
_OPENED = re.compile(r"<\s*answer\b", re.IGNORECASE)
_CLOSED = re.compile(r"<\s*/\s*answer\s*>", re.IGNORECASE)
_THINK_CLOSED = re.compile(r"</\s*think\s*>", re.IGNORECASE)
_THINK_OPENED = re.compile(r"<\s*think\s*>", re.IGNORECASE)
_EASI_NUMBER = re.compile(r"[-+]?(?:\d*\.\d+|\d+)(?:[eE][-+]?\d+)?")
_SPACE = re.compile(r"\s*")
_TAGGED_LETTER = re.compile(r"\s*([A-J])", re.IGNORECASE)
_EASI_WORDS = re.compile(rf"\b({'|'.join(_UP_TO_TWENTY)})\b", re.IGNORECASE)
_TAIL_LENGTH, _TAIL_LINES = 800, 6


def _tagged_places(text: str) -> list[int]:
    """Return where the contents of `<answer ...>` begin, each once."""
    places: list[int] = []
    for match in _OPENED.finditer(text):
        # Many openings can share the bracket that closes them, which then is looked for once
        if places and places[-1] > match.end():
            continue
        end = text.find(">", match.end())
        if end < 0:
            break
        places.append(end + 1)
    return places


def _after_think(text: str) -> str:
    """Return what follows the last `</think>`, else the last `<think>`, else all, stripped."""
    for tag in (_THINK_CLOSED, _THINK_OPENED):
        ends = [match.end() for match in tag.finditer(text)]
        if ends:
            return text[ends[-1] :].strip()
    return text


def easi_number(text: str) -> str:
    """Return the number in a text: in its answer tag, else the last one after its thoughts, else the last of all.

    Words up to twenty count as digits do. A text in square brackets is read as a list, of which the first item counts.
    """
    listed = text.strip()
    if listed.startswith("[") and listed.endswith("]"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of strange escapes
                items = ast.literal_eval(text)
        except Exception:  # whatever a parser makes of any text
            return ""
        if isinstance(items, list) and items:
            text = str(items[0])
    text = _EASI_WORDS.sub(lambda word: str(_VALUES[word.group().lower()]), _INVISIBLE.sub("", text.strip()))
    for place in _tagged_places(text):
        number = _EASI_NUMBER.match(text, _SPACE.match(text, place).end())  # type: ignore[union-attr]
        if number and _closes(text, number.end()):
            return number.group()
    for part in (_after_think(text), text):
        numbers = _EASI_NUMBER.findall(part)
        if numbers:
            return numbers[-1]
    return ""


def _closes(text: str, place: int) -> bool:
    """Return whether the next tag is `</answer>`."""
    start = text.find("<", place)
    return start >= 0 and _CLOSED.match(text, start) is not None


_TAIL_CLOSED = [
    re.compile(rf"(?<![A-Za-z])[(\[{{（【]?\s*([A-F])\s*[)\]}}）】]?\s*</\s*{tag}\s*>", re.IGNORECASE)
    for tag in ("answer", "think")
]
_OPTION_LINE = re.compile(r"[*_>\-\s]*(?:option|选项)\s+[A-J]\s*[:：]", re.IGNORECASE)
_LABELLED = re.compile(r"([A-F])\s*[.．:：)\]】、-]\s", re.IGNORECASE)
_STANDING_ALONE = re.compile(r"(?<![A-Za-z])([A-F])(?=[*_`）\]})]*(?:$|[\s.,:;!?)\]】》」』，。；、：）]))")
_CONCLUDED = re.compile(
    r"(?:answer(?:\s*is)?|答案|结论|所以|因此|选择?)\s*(?:[:：>＝=]\s*)?(?:[(\[{（【]\s*)?([A-F])(?!\w)", re.IGNORECASE
)
_ANYWHERE = re.compile(r"(?<![A-Za-z])([A-F])(?![A-Za-z])")


def easi_letter(text: str) -> str:
    """Return the letter in a text by seven attempts, the first that succeeds, or "".

    An answer tag that begins with a letter; a letter right before `</answer>` or `</think>` near the end; the last
    lines after the thoughts, and the last lines of all; "answer: B" and the like; one letter A to F throughout.
    """
    text = _INVISIBLE.sub("", text.strip())
    last = max((match.start() for match in _CLOSED.finditer(text)), default=-1)
    for place in _tagged_places(text):
        letter = _TAGGED_LETTER.match(text, place)
        if letter and place <= last:
            return letter.group(1).upper()
    tail = text[-_TAIL_LENGTH:]
    for pattern in _TAIL_CLOSED:
        match = pattern.search(tail)
        if match:
            return match.group(1).upper()
    found = _from_lines(_after_think(text)) or _from_lines(tail)
    if found:
        return found
    match = _CONCLUDED.search(text)
    if match:
        return match.group(1).upper()
    letters: set[str] = set()
    for line in text.splitlines():
        letters.update(() if _OPTION_LINE.match(line) else _ANYWHERE.findall(line))
    return letters.pop() if len(letters) == 1 else ""


def _from_lines(text: str) -> str:
    """Return the letter that the last lines of a text name, the last line first, or ""."""
    for line in reversed(text.splitlines()[-_TAIL_LINES:]):
        line = line.strip()
        if not line or _OPTION_LINE.match(line):
            continue
        alone = line.lstrip("*_`>（）[]【】()").lstrip()
        if alone[:1].upper() in tuple("ABCDEF") and not alone[1:].lstrip().lstrip("*_`（）[]【】()").lstrip():
            return alone[0].upper()
        labelled = _LABELLED.match(line)
        if labelled:
            return labelled.group(1).upper()
        letters = set(_STANDING_ALONE.findall(line))
        if len(letters) == 1:
            return letters.pop()
    return ""


def read_easi(text: str, unit: str | None) -> str:
    """Return the answer by EASI's matching; "" also where it finds E or F, which VSI-Bench's options don't have."""
    return easi_letter(text) if unit is None else easi_number(text)
