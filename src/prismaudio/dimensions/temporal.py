"""Temporal: when does it sound? The thought gives every event its spans and hits in seconds."""

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Self

from pydantic import Field, model_validator
from torch import Tensor

from prismaudio.backends.synchrony import Synchrony
from prismaudio.dimensions.thought import Part, Share, Thought
from prismaudio.dimensions.wording import NAME, NUMBER, number

QUESTION = (
    "In which order do the sounds start and stop, at which seconds, and in which rhythm do they repeat?"
)
START, END = 0.1, 0.9  # shares of the clip before which "throughout" begins and after which it ends
RING = 0.4  # seconds that a struck sound is heard after its last hit, if nobody says more
THROUGHOUT, FADES, TO_THE_END = "throughout", "until it fades", "to the end"
REGULAR, FASTER, SLOWER, IRREGULAR = "at a regular pace", "ever faster", "ever slower", "irregularly"


class Span(Part):
    """A stretch in which an event is heard; `hits` are the instants of its separate strikes, if it has any."""

    event: str
    onset: float = Field(ge=0, description="seconds")
    offset: float = Field(gt=0, description="seconds")
    hits: tuple[float, ...] = Field(
        (), description="seconds, rising, inside the span; empty for a continuous sound"
    )
    strengths: tuple[Share, ...] = Field((), description="loudness of each hit from 0 to 1; empty: all alike")

    @model_validator(mode="after")
    def _hits_lie_inside(self) -> Self:
        if self.offset <= self.onset:
            raise ValueError(f"offset {self.offset} is not after onset {self.onset}")
        if any(not self.onset - 1e-6 <= hit <= self.offset + 1e-6 for hit in self.hits):
            raise ValueError(f"hits {self.hits} must lie between onset {self.onset} and offset {self.offset}")
        if list(self.hits) != sorted(self.hits):
            raise ValueError(f"hits {self.hits} must rise")
        if self.strengths and len(self.strengths) != len(self.hits):
            raise ValueError(
                f"{len(self.strengths)} strengths for {len(self.hits)} hits; give one each or none"
            )
        return self

    def onsets(self) -> tuple[float, ...]:
        """Every instant at which something starts to sound."""
        return self.hits or (self.onset,)


class TemporalThought(Thought):
    spans: tuple[Span, ...] = ()

    def heard(self) -> dict[str, tuple[float, float]]:
        """Event -> the first and the last second of it."""
        stretches: dict[str, tuple[float, float]] = {}
        for span in self.spans:
            first, last = stretches.get(span.event, (span.onset, span.offset))
            stretches[span.event] = (min(first, span.onset), max(last, span.offset))
        return stretches


def rhythm(hits: Sequence[float]) -> str:
    """A word for the pattern of `hits`: once, regular, speeding up, slowing down, irregular."""
    gaps = [later - earlier for earlier, later in pairwise(hits)]
    if not gaps:
        return "once"
    if len(gaps) == 1:
        return "twice"
    mean = sum(gaps) / len(gaps)
    if all(abs(gap - mean) <= 0.2 * mean for gap in gaps):
        return REGULAR
    if all(later < earlier for earlier, later in pairwise(gaps)):
        return FASTER
    if all(later > earlier for earlier, later in pairwise(gaps)):
        return SLOWER
    return IRREGULAR


def render(
    thought: TemporalThought, names: Mapping[str, str], duration: float, *, numeric: bool = False
) -> str:
    """One paragraph; ordinal words ('First ... then ...') and, if `numeric`, seconds. `names`: event id -> words."""
    if thought.prose is not None:
        return thought.prose
    if not thought.spans:
        return _NOTHING
    told = map(_rounded, thought.spans) if numeric else thought.spans
    spans = sorted(told, key=lambda span: span.onset)
    last = len(spans) - 1
    orders = ["First" if i == 0 else "and finally" if i == last else "then" for i in range(len(spans))]
    return (
        ", ".join(
            f"{order} {names[span.event]} {_manner(span, duration, numeric)}"
            for order, span in zip(orders, spans, strict=True)
        )
        + "."
    )


def _manner(span: Span, duration: float, numeric: bool) -> str:
    stretch = f"{number(span.onset)} to {number(span.offset)} s"
    if span.hits:
        manner = f"{len(span.hits)} times {rhythm(span.hits)}" if len(span.hits) > 2 else rhythm(span.hits)
        return f"{manner} at {', '.join(map(number, span.hits))} s ({stretch})" if numeric else manner
    if numeric:
        return f"from {stretch}"
    if span.offset < END * duration:
        return FADES
    return THROUGHOUT if span.onset < START * duration else TO_THE_END


def _rounded(span: Span) -> Span:
    """In hundredths of a second, and at least one long."""
    onset = round(span.onset, 2)
    offset = max(round(span.offset, 2), round(onset + 0.01, 2))
    hits = tuple(min(max(round(hit, 2), onset), offset) for hit in span.hits)
    return Span(event=span.event, onset=onset, offset=offset, hits=hits)


_NOTHING = "Nothing changes over time."
_CLAUSE = re.compile(
    rf"(?:First|then|and finally) (?P<name>{NAME}) "
    rf"(?P<manner>(?P<count>once|twice|\d{{1,4}} times (?P<pace>{REGULAR}|{FASTER}|{SLOWER}|{IRREGULAR}))"
    rf"(?: at (?P<hits>{NUMBER}(?:, {NUMBER})*) s \((?P<inside>{NUMBER} to {NUMBER}) s\))?"
    rf"|from (?P<stretch>{NUMBER} to {NUMBER}) s|{THROUGHOUT}|{FADES}|{TO_THE_END})(?:, |\.)"
)


def read(text: str, duration: float) -> tuple[TemporalThought, int] | None:
    """The thought that the beginning of `text` was rendered from, and where it ends; events go by their names.

    Moments that the text does not tell are laid out evenly, in its order.
    """
    if text.startswith(_NOTHING):
        return TemporalThought(), len(_NOTHING)
    clauses: list[re.Match[str]] = []
    end = 0
    while clause := _CLAUSE.match(text, end):
        clauses.append(clause)
        end = clause.end()
        if clause[0].endswith("."):
            break
    if not clauses or not clauses[-1][0].endswith("."):
        return None
    stretches = _stretches([clause["manner"] for clause in clauses], duration)
    spans = (_span(clause, *stretch) for clause, stretch in zip(clauses, stretches, strict=True))
    return TemporalThought(spans=tuple(spans)), end


def _span(clause: re.Match[str], onset: float, offset: float) -> Span:
    """`onset` and `offset` are for clauses without numbers."""
    stretch = clause["inside"] or clause["stretch"]
    if stretch:
        onset, offset = (float(second) for second in stretch.split(" to "))
    hits: tuple[float, ...] = ()
    if clause["hits"]:
        hits = tuple(float(hit) for hit in clause["hits"].split(", "))
    elif clause["count"]:
        hits = laid(_counted(clause["count"]), clause["pace"] or REGULAR, onset, offset)
    return Span(event=clause["name"], onset=onset, offset=offset, hits=hits)


def _counted(words: str) -> int:
    return {"once": 1, "twice": 2}.get(words) or int(words.split()[0])


def _stretches(manners: Sequence[str], duration: float) -> list[tuple[float, float]]:
    """Onset and offset for each of `manners`, in their order, such that the same words describe them again."""
    early = max((i + 1 for i, manner in enumerate(manners) if manner == THROUGHOUT), default=0)
    late = len(manners) - early
    onsets = [START * duration * i / early for i in range(early)]
    onsets += [duration * (START + (END - START) * i / late) for i in range(late)]
    ends = [*onsets[1:], (onsets[-1] + END * duration) / 2]
    return [
        (onset, duration if manner in (THROUGHOUT, TO_THE_END) else end)
        for manner, onset, end in zip(manners, onsets, ends, strict=True)
    ]


def laid(count: int, pace: str, onset: float, offset: float) -> tuple[float, ...]:
    """`count` hits between `onset` and `offset`, the first on the onset, in the rhythm that `pace` names."""
    gaps = list(range(1, count))
    if pace == FASTER:
        gaps.reverse()
    elif pace == REGULAR:
        gaps = [1] * (count - 1)
    elif pace == IRREGULAR:
        gaps = [1 + i % 2 for i in range(count - 1)]
    unit = (offset - onset) / (sum(gaps) + 1)
    return tuple(onset + unit * steps for steps in accumulate(gaps, initial=0))


def reward(synchrony: Synchrony) -> Tensor:
    """-> (B,) 0 to 1: one minus the expected offset over 2 s, of all windows (spec rewards.md 1.2)"""
    return synchrony.expected().clamp(0, 1)  # shares of a softmax may round to more than 1 together


def published_reward(synchrony: Synchrony) -> Tensor:
    """-> (B,) 0 to 0.5 in eleven levels: of the likeliest offset in the first window"""
    return synchrony.published_reward()
