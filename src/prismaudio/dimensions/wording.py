"""How sounds are named and numbers written in the paragraphs, so that what is written can be read back.

Words that could be mistaken for the sentence around them are put in quotation marks; sounds that share their words are
told apart by "(the second)".
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence

_WORD = r"""(?!and\b)[^\s,.:;!?()<>\[\]"`\d]+"""
_PLAIN = rf"{_WORD}(?: {_WORD})*"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_NTH = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_SUFFIX = re.compile(rf" \((?:the (?P<word>{'|'.join(_NTH)})|number (?P<number>\d{{1,3}}))\)$")
NAME = rf"(?:{_QUOTED}|{_PLAIN})(?: \((?:the (?:{'|'.join(_NTH)})|number \d{{1,3}})\))?"
LIST = rf"{NAME}(?:(?:, {NAME})* and {NAME})?"
NUMBER = r"-?\d+\.\d\d"


def joined(items: Sequence[str]) -> str:
    """('a', 'b', 'c') -> 'a, b and c'"""
    *head, last = items
    return f"{', '.join(head)} and {last}" if head else last


def quoted(words: str) -> str:
    """`words`, in quotation marks if they hold more than plain words."""
    if re.fullmatch(_PLAIN, words):
        return words
    # what would be taken for a tag or for code hides behind its number
    return re.sub(r"[<\[`]", lambda mark: f"\\u{ord(mark[0]):04x}", json.dumps(words, ensure_ascii=False))


def unquoted(name: str) -> str:
    """The inverse of `quoted`."""
    return str(json.loads(name)) if name.startswith('"') else name


def listed(text: str) -> tuple[str, ...]:
    """What `joined` joined: 'a, b and c' -> ('a', 'b', 'c')"""
    return tuple(match[1] for match in re.finditer(rf"({NAME})(?:, | and |$)", text))


def told_names(sounds: Mapping[str, str]) -> dict[str, str]:
    """Event id -> words, to event id -> a name that differs from all others, whatever its case."""
    seen: Counter[str] = Counter()
    names = {}
    for event, sound in sounds.items():
        seen[sound.casefold()] += 1
        names[event] = quoted(sound) + _suffix(seen[sound.casefold()])
    return names


def sound_and_count(name: str) -> tuple[str, int]:
    """'a dog (the second)' -> ('a dog', 2)"""
    suffix = _SUFFIX.search(name)
    if suffix is None:
        return unquoted(name), 1
    count = int(suffix["number"]) if suffix["number"] else _NTH.index(suffix["word"]) + 2
    return unquoted(name[: suffix.start()]), count


def _suffix(count: int) -> str:
    if count == 1:
        return ""
    return f" (the {_NTH[count - 2]})" if count - 2 < len(_NTH) else f" (number {count})"


def capital(name: str) -> str:
    """With a capital letter, unless that could not be told from another name."""
    raised = name[0].upper() + name[1:]
    return raised if raised.casefold() == name.casefold() else name


def number(value: float) -> str:
    """Two decimals; there is no -0.00."""
    return f"{round(value, 2) + 0.0:.2f}"
