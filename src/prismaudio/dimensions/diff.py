"""What changed between two plans, dimension by dimension, in words and in values.

The order of lists and the ids of events carry no meaning of their own, and make no difference.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeVar

from prismaudio.dimensions.plan import LONGEST_SHOWN, Plan
from prismaudio.dimensions.semantic import Event
from prismaudio.dimensions.spatial import Key, Place
from prismaudio.dimensions.temporal import Span
from prismaudio.dimensions.thought import Part

T = TypeVar("T")
Pair = tuple[T | None, T | None]


@dataclass(frozen=True)
class Change:
    """One difference; `before` None is something new, `after` None something gone."""

    dimension: str  # one of the four, or "plan"
    subject: str  # the words of the event it is about, or ""
    field: str
    before: Any
    after: Any
    told: str  # "hit 2.10 s -> 2.60 s"

    def __str__(self) -> str:
        return f"{self.subject}: {self.told}" if self.subject else self.told


def diff(a: Plan, b: Plan) -> list[Change]:
    """From `a` to `b`, in the order of the dimensions; [] if they say the same."""
    pairs = matched(a.semantic.events, b.semantic.events)
    return [
        *_whole(a, b),
        *_semantic(a, b, pairs),
        *_temporal(a, b, pairs),
        *_aesthetic(a, b),
        *_spatial(a, b, pairs),
    ]


def matched(before: Sequence[Event], after: Sequence[Event]) -> list[Pair[Event]]:
    """Each event beside what became of it: of one id and words, else of one name, else of one id."""
    left, right = list(before), list(after)
    pairs: list[Pair[Event]] = []
    tests: tuple[Callable[[Event, Event], bool], ...] = (
        lambda x, y: x.id == y.id and _alike(x, y),
        lambda x, y: _alike(x, y),
        lambda x, y: x.id == y.id,
    )
    for same in tests:
        for x in list(left):
            y = next((y for y in right if same(x, y)), None)
            if y is not None:
                pairs.append((x, y))
                left.remove(x)
                right.remove(y)
    return pairs + [(x, None) for x in left] + [(None, y) for y in right]


def _alike(a: Event, b: Event) -> bool:
    return a.sound.casefold() == b.sound.casefold()


def _whole(a: Plan, b: Plan) -> Iterator[Change]:
    yield from _number("plan", "", "duration", (a.duration, b.duration), " s")
    for field in ("planner", "video_sha256"):
        yield from _field("plan", "", field, (getattr(a.provenance, field), getattr(b.provenance, field)))


def _semantic(a: Plan, b: Plan, pairs: Sequence[Pair[Event]]) -> Iterator[Change]:
    for x, y in pairs:
        if x is None or y is None:
            yield _one_sided("semantic", _subject((x, y)), "event", (x, y), "")
            continue
        yield from _field("semantic", x.sound, "sound", (x.sound, y.sound))
        yield from _field("semantic", y.sound, "label", (x.label, y.label))
        yield from _field("semantic", y.sound, "on_screen", (x.on_screen, y.on_screen))
        yield from _number("semantic", y.sound, "confidence", (x.confidence, y.confidence))
    yield from _collection("semantic", "ambience", (a.semantic.ambience, b.semantic.ambience))
    yield from _collection("semantic", "avoid", (a.semantic.avoid, b.semantic.avoid))
    yield from _field("semantic", "", "prose", (a.semantic.prose, b.semantic.prose))


def _temporal(a: Plan, b: Plan, pairs: Sequence[Pair[Event]]) -> Iterator[Change]:
    for pair in pairs:
        x, y = pair
        before = [span for span in a.temporal.spans if x is not None and span.event == x.id]
        after = [span for span in b.temporal.spans if y is not None and span.event == y.id]
        for spans in aligned(before, after, lambda span: span.onset):
            yield from _span(_subject(pair), spans)
    yield from _field("temporal", "", "prose", (a.temporal.prose, b.temporal.prose))


def _span(subject: str, spans: Pair[Span]) -> Iterator[Change]:
    x, y = spans
    if x is None or y is None:
        stretch = " and ".join(f"{s.onset:.2f} to {s.offset:.2f} s" for s in spans if s is not None)
        yield _one_sided("temporal", subject, "span", spans, stretch)
        return
    yield from _number("temporal", subject, "onset", (x.onset, y.onset), " s")
    yield from _number("temporal", subject, "offset", (x.offset, y.offset), " s")
    yield from _hits(subject, x, y)


def _hits(subject: str, x: Span, y: Span) -> Iterator[Change]:
    hits = aligned(list(enumerate(x.hits)), list(enumerate(y.hits)), lambda hit: hit[1])
    shifts = {round(after[1] - before[1], 6) for before, after in hits if before and after}
    shift = shifts.pop() if len(shifts) == 1 else 0.0
    if shift and len(x.hits) == len(y.hits) > 1:
        told = f"{len(x.hits)} hits {abs(shift):.2f} s {'later' if shift > 0 else 'earlier'}"
        yield Change("temporal", subject, "hits", x.hits, y.hits, told)
    else:
        for before, after in hits:
            moments = before and before[1], after and after[1]
            yield from _number("temporal", subject, "hit", moments, " s")
    if bool(x.strengths) != bool(y.strengths):
        told = "strengths of the hits " + ("added" if y.strengths else "removed")
        yield Change("temporal", subject, "strengths", x.strengths, y.strengths, told)
    else:
        for before, after in hits:
            if before and after and x.strengths:
                strengths = x.strengths[before[0]], y.strengths[after[0]]
                yield from _number("temporal", subject, f"strength of hit {after[1]:.2f} s", strengths)


def _aesthetic(a: Plan, b: Plan) -> Iterator[Change]:
    x, y = a.aesthetic, b.aesthetic
    yield from _number("aesthetic", "", "quality", (x.quality, y.quality))
    yield from _collection("aesthetic", "flaws", (x.flaws, y.flaws))
    for field in ("loudness", "room", "prose"):
        yield from _field("aesthetic", "", field, (getattr(x, field), getattr(y, field)))


def _spatial(a: Plan, b: Plan, pairs: Sequence[Pair[Event]]) -> Iterator[Change]:
    for pair in pairs:
        x, y = pair
        before = [place for place in a.spatial.places if x is not None and place.event == x.id]
        after = [place for place in b.spatial.places if y is not None and place.event == y.id]
        for places in zip_longest(before, after):
            yield from _place(_subject(pair), places)
    yield from _field("spatial", "", "prose", (a.spatial.prose, b.spatial.prose))


def _place(subject: str, places: Pair[Place]) -> Iterator[Change]:
    x, y = places
    if x is None or y is None:
        told = " and ".join(_way(place) for place in places if place is not None)
        yield _one_sided("spatial", subject, "place", places, told)
        return
    if x.way() != y.way():
        yield Change("spatial", subject, "keys", x.keys, y.keys, f"{_way(x)} -> {_way(y)}")
    elif [key.time for key in x.keys] == [key.time for key in y.keys]:
        for before, after in zip(x.keys, y.keys, strict=True):
            azimuths = before.azimuth, after.azimuth
            yield from _number("spatial", subject, f"azimuth at {after.time:.2f} s", azimuths)
    else:
        yield Change("spatial", subject, "keys", x.keys, y.keys, f"path {_keys(x.keys)} -> {_keys(y.keys)}")
    yield from _number("spatial", subject, "distance", (x.distance, y.distance))


def _way(place: Place) -> str:
    return " to ".join(place.way())


def _keys(keys: Sequence[Key]) -> str:
    return ", ".join(f"{key.azimuth:g} at {key.time:g} s" for key in keys)


def _subject(pair: Pair[Event]) -> str:
    """What an event is called now, or was."""
    before, after = pair
    event = after or before
    return event.sound if event is not None else ""


def _one_sided(dimension: str, subject: str, field: str, pair: Pair[Any], told: str) -> Change:
    before, after = (value.model_dump() if isinstance(value, Part) else None for value in pair)
    told = " ".join(part for part in (field, told, "added" if before is None else "removed") if part)
    return Change(dimension, subject, field, before, after, told)


def _number(dimension: str, subject: str, field: str, pair: Pair[float], unit: str = "") -> Iterator[Change]:
    before, after = pair
    if before == after:
        return
    if before is None or after is None:
        verb, value = ("added", after) if before is None else ("removed", before)
        told = f"{field} {value:.2f}{unit} {verb}"
    else:
        # as many digits as it takes to see the difference
        shown = next((f for d in (2, 3, 4) if (f := (f"{before:.{d}f}", f"{after:.{d}f}"))[0] != f[1]), pair)
        told = f"{field} {shown[0]}{unit} -> {shown[1]}{unit}"
    yield Change(dimension, subject, field, before, after, told)


def _field(dimension: str, subject: str, field: str, pair: Pair[Any]) -> Iterator[Change]:
    before, after = pair
    if before != after:
        yield Change(dimension, subject, field, before, after, f"{field} {_shown(before)} -> {_shown(after)}")


def _shown(value: object) -> str:
    if isinstance(value, str) and len(value) > LONGEST_SHOWN:
        value = f"{value[:LONGEST_SHOWN]}..."
    return "none" if value is None else repr(value)


def _collection(dimension: str, field: str, pair: tuple[Sequence[str], Sequence[str]]) -> Iterator[Change]:
    before, after = map(Counter, pair)
    for item in (before - after).elements():
        yield Change(dimension, "", field, item, None, f"{field} {item!r} removed")
    for item in (after - before).elements():
        yield Change(dimension, "", field, None, item, f"{field} {item!r} added")


def aligned(before: Sequence[T], after: Sequence[T], moment: Callable[[T], float]) -> list[Pair[T]]:
    """Each item beside its nearest in time, in order; only what is too many on one side stays alone."""
    before, after = sorted(before, key=moment), sorted(after, key=moment)
    if len(before) > len(after):
        return [(x, y) for y, x in aligned(after, before, moment)]
    spare = len(after) - len(before)
    # cost[i][k]: of the first i of `before` beside the first i + k of `after`, k of them alone
    cost = [[0.0] * (spare + 1)]
    for i, item in enumerate(before):
        row: list[float] = []
        for k in range(spare + 1):
            beside = cost[i][k] + abs(moment(item) - moment(after[i + k]))
            row.append(min(beside, row[k - 1]) if k else beside)
        cost.append(row)
    pairs: list[Pair[T]] = []
    i, k = len(before), spare
    while i + k:
        alone = k > 0 and cost[i][k] == cost[i][k - 1]
        k, i = (k - 1, i) if alone else (k, i - 1)
        pairs.append((None if alone else before[i], after[i + k]))
    return pairs[::-1]
