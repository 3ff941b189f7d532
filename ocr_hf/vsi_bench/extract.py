"""From what a model wrote to the answer in it: the official rule, and a tolerant one with a name of its own.

Both are total (any text, None included, gives a string) and take time linear in the length of the text.
"" means that no answer was found; it scores 0 and is counted as unparsed, never dropped. `rules.py` has all rules by
name, `harness_rules.py` those of other harnesses.
"""

from __future__ import annotations

import math
import re

from .tasks import LETTERS, unit_of


def extract_official(text: str | None) -> str:
    """Return the text up to the first space, without final full stops, stripped (thinking-in-space, `fuzzy_matching`).

    "A. chair" gives "A" and "60 cm" gives "60"; "(A)", " A", "60cm" and any chain of thought give no valid answer. This
    is the released function alone; the rule "official" strips the text first, as the released wrappers of models do.
    """
    return (text or "").split(" ", 1)[0].rstrip(".").strip()


def parse_number(answer: str) -> float | None:
    """Return the number that `answer` spells for Python's float(), or None; NaN and infinities are no answers."""
    try:
        number = float(answer)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def parse_letter(answer: str) -> str | None:
    """Return `answer` in upper case if it is a single option letter, else None."""
    return answer.upper() if len(answer) == 1 and answer.upper() in LETTERS else None


def extract_answer_tag(text: str | None, question_type: str) -> str:
    """Return the answer of a model that thinks aloud, or "" where several readings are as good.

    The final answer is what follows the last `<answer>` (up to `</answer>`, where that was written), else what
    follows the last `</think>`, else the whole text. Text that opens `<think>` and never closes it was cut off while
    thinking and holds no answer. Asides in brackets are passed over, and where the text draws a conclusion ("so",
    "the answer is", "=") only what follows counts. A tagged answer then is the last letter or number. Untagged prose
    has an answer only if all that is left of it says the same: of "There are 4 chairs: 2 at the desk" nobody knows
    which number is meant. Letters: see `_letters`; numbers with units and number words: `_numbers`.
    """
    unit = unit_of(question_type)
    span, tagged = _final_span(text or "")
    for part in _most_telling_first(span):
        found = _letters(part, tagged) if unit is None else _numbers(part, unit, tagged)
        if found:
            answer = found[-1] if tagged or _agree(found) else ""
            return answer if unit is None or parse_number(answer) is not None else ""  # "1e999" is no number
    return ""


_ANSWER_OPEN = re.compile(r"<answer>", re.IGNORECASE)
_ANSWER_CLOSE = re.compile(r"</answer>", re.IGNORECASE)
_THINK_OPEN = re.compile(r"<think>", re.IGNORECASE)
_THINK_CLOSE = re.compile(r"</think>", re.IGNORECASE)


def _last_end(pattern: re.Pattern[str], text: str) -> int | None:
    """Return where the last match of `pattern` ends, or None."""
    end = None
    for match in pattern.finditer(text):
        end = match.end()
    return end


def _final_span(text: str) -> tuple[str, bool]:
    """Return the part of `text` that may hold the answer, and whether an answer tag marked it."""
    think_open = _last_end(_THINK_OPEN, text)
    think_close = _last_end(_THINK_CLOSE, text)
    if think_close is not None and (think_open is None or think_open < think_close):
        text = text[think_close:]
    elif think_open is not None:
        text = text[think_open:]
    start = _last_end(_ANSWER_OPEN, text)
    if start is not None:
        close = _ANSWER_CLOSE.search(text, start)
        return text[start : close.start() if close else None], True
    if think_open is not None and (think_close is None or think_close < think_open):
        return "", False
    return text, False


# "so" and "thus" only where they begin a clause: "so far" concludes nothing
_CONCLUSION = re.compile(
    r"\banswer\b(?:[ \t]+is\b)?|\\boxed\b|(?:^|[,.;:\n])[ \t]*(?:so|thus)\b|\b(?:therefore|hence|in total)\b|[=≈]",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[.,](?!\d)|[;\n]|\b(?:because|since|as|not)\b", re.IGNORECASE)
# "(B)" and "(4)" are ways to write an answer, and no asides
_ASIDE = re.compile(rf"\((?![\s*_]{{0,4}}(?:[{LETTERS}]|[\d.,]{{1,12}})[\s*_]{{0,4}}\))[^()]*\)|\[[^\[\]]*\]")


def _most_telling_first(span: str) -> list[str]:
    """Return the parts of a final answer that may hold it, the surest first: the first that says anything counts.

    They are the clause behind the last conclusion, all that is behind it, and the whole; each without asides, and then
    with them, for "[B]" may be all that was written.
    """
    parts, whole = [], [_ASIDE.sub(" ", span), span]
    for text in whole:
        last = _last_end(_CONCLUSION, text)
        if last is not None:
            parts += [_CLAUSE_END.split(text[last:].lstrip(), maxsplit=1)[0], text[last:]]
    return parts + whole


def _agree(answers: list[str]) -> bool:
    """Return whether readings are one answer, written several times."""
    numbers = [parse_number(answer) for answer in answers]
    return len(set(answers)) == 1 or (None not in numbers and len(set(numbers)) == 1)


# [^\W_] is a letter or digit: emphasis may stand beside the option ("__B__", "**B**"), another letter or an apostrophe
# may not
_LETTER = re.compile(rf"(?<![^\W_])[{LETTERS}](?![^\W_]|['’])")
_ARTICLE = re.compile(r"\s+[a-z]")
_LONE_LETTER = re.compile(rf"\W*([{LETTERS}])\W*", re.IGNORECASE)


def _letters(span: str, tagged: bool) -> list[str]:
    """Return the capitals A to D that stand alone, in their order.

    A lower-case letter counts only where nothing else is written ("(b)"). "A" before a lower-case word is the
    article, unless it opens a tagged answer ("<answer>A chair</answer>").
    """
    lone = _LONE_LETTER.fullmatch(span.strip())
    if lone:
        return [lone.group(1).upper()]
    start = len(span) - len(span.lstrip())
    found = []
    for match in _LETTER.finditer(span):
        article = match.group() == "A" and _ARTICLE.match(span, match.end()) is not None
        if not article or (tagged and match.start() == start):
            found.append(match.group())
    return found


# Begins neither inside a word or number, which also keeps the 5 of "4-5" positive, nor behind a separator of "3,4,5"
_NUMBER = r"(?<!\w)(?<!\d[.,])(?P<sign>[-+−]?)(?P<body>\d[\d,.]*|\.\d+)(?P<exponent>[eE][-+]?\d+)?"
_UNIT = (
    r"(?:[ \t]*(?P<square>square[ \t]+|sq\.?[ \t]*)?"
    r"(?P<unit>millimet(?:er|re)s?|mm|centimet(?:er|re)s?|cms?|met(?:er|re)s?|m|feet|foot|ft|inch(?:es)?)(?![A-Za-z])"
    r"[ \t]*(?P<power>²|\^?2(?!\d)|squared\b)?)?"
)
_QUANTITY = re.compile(_NUMBER + _UNIT, re.IGNORECASE)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_DECIMAL = re.compile(r"\d+(?:[.,]\d+)?|\.\d+")
_METRES = {"mi": 0.001, "mm": 0.001, "ce": 0.01, "cm": 0.01, "m": 1.0, "me": 1.0}
_METRES |= {"fe": 0.3048, "fo": 0.3048, "ft": 0.3048, "in": 0.0254}
"""Metres per unit, by the first two letters of the unit's name."""


def _numbers(span: str, unit: str, tagged: bool) -> list[str]:
    """Return the numbers of `span` in their order, in `unit` where another unit of length or area is written after one.

    A quantity of the kind that is asked for goes before others: of "20 m2, 4 m by 5 m" only the first is an area, and
    the 12 of "2.5 m, from frame 12" is no length. "1,500" is 1500, "1,5" is 1.5, the 5 of "4-5" is positive, and a
    list such as "3,4,5" is no number.
    """
    found = [match for match in _QUANTITY.finditer(span) if _numeral(match)]
    written = [(match.start(), _kind(match), _in_unit(_numeral(match), match, unit)) for match in found]
    written += _number_words(span, unit, tagged)
    asked = {"m2": "area", "": "count"}.get(unit, "length")
    for kinds in ((asked,), ("count",), ("length", "area")):
        numbers = [number for _, kind, number in sorted(written) if kind in kinds]
        if numbers:
            return numbers
    return []


def _kind(match: re.Match[str]) -> str:
    """Return what a matched quantity measures: an "area", a "length", or nothing, as a "count" does."""
    if not match["unit"]:
        return "count"
    return "area" if match["square"] or match["power"] else "length"


def _numeral(match: re.Match[str]) -> str:
    """Return the matched digits as float() reads them, or "" if they aren't one number."""
    body = match["body"].rstrip(".,")
    if _THOUSANDS.fullmatch(body):
        body = body.replace(",", "")
    elif _DECIMAL.fullmatch(body):
        body = body.replace(",", ".")
    else:
        return ""
    return match["sign"].replace("−", "-") + body + (match["exponent"] or "")


def _in_unit(numeral: str, match: re.Match[str], unit: str) -> str:
    """Return `numeral` converted to `unit` (m, cm, m2) if `match` holds another unit of the same kind."""
    written = _METRES.get((match["unit"] or "").lower()[:2])
    if written is None or unit == "":
        return numeral
    is_area = bool(match["square"] or match["power"])
    if is_area != (unit == "m2"):
        return numeral
    factor = written**2 if is_area else written / _METRES[unit]
    # Nine digits, for 1.1 * 100.0 is 110.00000000000001
    return numeral if factor == 1.0 else f"{float(numeral) * factor:.9g}"


_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_TEENS = ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORD_VALUES = {word: value for value, word in enumerate(_ONES + _TEENS)}
_WORD_VALUES |= {word: 20 + 10 * index for index, word in enumerate(_TENS)}
_WORD_VALUES["hundred"] = 100
_ANY_WORD = "|".join(sorted(_WORD_VALUES, key=len, reverse=True))
_WORD_QUANTITY = re.compile(
    rf"\b(?P<words>(?:{_ANY_WORD})(?:(?:-|[ \t]+)(?:and[ \t]+)?(?:{_ANY_WORD}))*)\b" + _UNIT, re.IGNORECASE
)
_BROKEN_NUMBER = re.compile(r"\b(?:point|half|halves|quarters?|thirds?|thousand|million)\b", re.IGNORECASE)


def _number_words(span: str, unit: str, tagged: bool) -> list[tuple[int, str, str]]:
    """Return (place, kind, number) of the numbers written in words.

    "a", "an" and, outside an answer tag, a lone "one" are not 1 ("the closest one"). Fractions and thousands in words
    ("two and a half") are left unread rather than read wrongly.
    """
    if _BROKEN_NUMBER.search(span):
        return []
    bare = re.sub(r"\W", "", span).lower()
    found = []
    for match in _WORD_QUANTITY.finditer(span):
        words = match["words"].lower()
        if words != "one" or tagged or bare == "one":
            number = _in_unit(str(_value_of_words(words)), match, unit)
            found.append((match.start(), _kind(match), number))
    return found


def _value_of_words(words: str) -> int:
    """Return the number that number words spell; of several in a row ("two three") the last."""
    value = 0
    for word in re.findall(r"[a-z]+", words):
        step = _WORD_VALUES.get(word)
        if step is None:
            continue
        if step == 100:
            value = 100 * max(value % 100, 1)
        elif value and step and value % (10 if step < 10 else 100) == 0 and value % 100 != 10:
            value += step
        else:
            value = step
    return value
