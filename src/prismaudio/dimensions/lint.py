"""What contradicts itself in a plan, or will not be heard as it is written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from prismaudio.dimensions import lift
from prismaudio.dimensions.aesthetic import CLEAN
from prismaudio.dimensions.plan import DIMENSIONS, Plan, problems
from prismaudio.dimensions.spatial import SIDES, Key, Place
from prismaudio.dimensions.wording import number
from prismaudio.errors import PrismAudioError

Severity = Literal["error", "warning"]
UNSURE = 0.25  # confidence below which a name is a guess
CLIP_EDGE = 0.05  # seconds that a planner may miss the end of the clip by
OTHER_LENGTH = 0.1  # seconds by which a plan and its video may differ
FASTEST = 4.0  # azimuth per second: the whole width in half a second
A_JUMP = 0.2  # azimuth that is worth a word, however fast
APART = 0.2  # azimuth from which two events of one name are two sources
SAME_MOMENT = 0.1  # seconds that words and numbers may differ by
_NO_SOUND = re.compile(r"\b(?:silence|no sounds?)\b", re.IGNORECASE)
_ASKS_FOR_SILENCE = re.compile(r"^\W*(?:generate )?(?:\w+ )?(?:silence|no sounds?)\b(?! of)", re.IGNORECASE)


class ContradictoryPlan(PrismAudioError):
    """A plan that cannot be heard as it is written."""

    def __init__(self, path: Path, errors: int) -> None:
        count = "1 error" if errors == 1 else f"{errors} errors"
        super().__init__(f"{path}: {count}; mend what is said above, and check again")


@dataclass(frozen=True)
class Finding:
    """One thing to mend. An error will not be heard as it is written; a warning probably not."""

    severity: Severity
    dimension: str  # one of the four, or "plan"
    field: str  # "temporal.spans.0.offset"
    message: str  # what is wrong, with the values
    advice: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.field}: {self.message}; {self.advice}"


def lint(plan: Plan, video_seconds: float | None = None) -> list[Finding]:
    """Everything that is wrong, errors first, then in the order of the dimensions. [] for a sound plan."""
    invalid = list(_out_of_range(plan))
    if invalid:  # what refers to nothing cannot be compared with anything
        return invalid
    checks = (
        _length(plan, video_seconds),
        _semantic(plan),
        _temporal(plan),
        _aesthetic(plan),
        _spatial(plan),
    )
    found = [finding for findings in checks for finding in findings]
    return sorted(found, key=lambda finding: finding.severity != "error")


def _error(field: str, message: str, advice: str) -> Finding:
    return _finding("error", field, message, advice)


def _warning(field: str, message: str, advice: str) -> Finding:
    return _finding("warning", field, message, advice)


def _finding(severity: Severity, field: str, message: str, advice: str) -> Finding:
    first = field.split(".")[0]
    return Finding(severity, first if first in DIMENSIONS else "plan", field, message, advice)


def _out_of_range(plan: Plan) -> Iterator[Finding]:
    """What the schema refuses: a plan that was changed in memory has not been checked since."""
    try:
        Plan.model_validate(plan.model_dump())
    except ValidationError as error:
        for problem in problems(error):
            field, _, message = problem.partition(": ")
            if field == "plan":  # checks across dimensions name their field first
                field = message.split()[0].rstrip(":")
            yield _error(field, message, "give a value that the plan can hold")


def _length(plan: Plan, video_seconds: float | None) -> Iterator[Finding]:
    if video_seconds is not None and abs(plan.duration - video_seconds) > OTHER_LENGTH:
        yield _warning(
            "duration",
            f"the plan is for {plan.duration:.2f} s and the video lasts {video_seconds:.2f} s",
            "plan this video, or cut it to the plan's length",
        )


def _semantic(plan: Plan) -> Iterator[Finding]:
    yield from _never_heard(plan)
    yield from _twice(plan)
    yield from _avoided_yet_wanted(plan)
    yield from _silence_yet_sound(plan)
    thought = plan.semantic
    for i, event in enumerate(thought.events):
        field = f"semantic.events.{i}"
        if event.confidence < UNSURE:
            yield _warning(
                f"{field}.confidence",
                f"the planner is not sure of {event.sound!r} ({event.confidence:.2f})",
                "say what it is and set the confidence to 1",
            )
        if thought.prose and not lift.stems(event.sound) & lift.stems(thought.prose):
            yield _warning(
                "semantic.prose",
                f"the words do not speak of {event.sound!r}, which is event {event.id}",
                "name it in the prose, or delete the prose",
            )


def _never_heard(plan: Plan) -> Iterator[Finding]:
    if plan.temporal.prose is not None and not plan.temporal.spans:
        return  # time is told in words alone
    heard = plan.temporal.heard()
    for i, event in enumerate(plan.semantic.events):
        if event.id not in heard:
            yield _error(
                f"semantic.events.{i}",
                f"{event.sound!r} has no span in temporal.spans and is never heard",
                f"add a span of event {event.id}, or delete the event",
            )


def _twice(plan: Plan) -> Iterator[Finding]:
    """Two dogs are two events in two places; two events of one name in one place are one."""
    places = {place.event: place for place in plan.spatial.places}
    for (_, a), (j, b) in combinations(enumerate(plan.semantic.events), 2):
        if a.sound.casefold() != b.sound.casefold() or a.on_screen != b.on_screen:
            continue
        if not _apart(places.get(a.id), places.get(b.id)):
            yield _warning(
                f"semantic.events.{j}",
                f"{b.id} is {b.sound!r} in the same place as {a.id}",
                "give one event both spans, or put them in different places",
            )


def _apart(a: Place | None, b: Place | None) -> bool:
    if a is None or b is None:
        return a is not b
    moments = np.array(sorted({key.time for key in (*a.keys, *b.keys)}))
    return bool((abs(a.azimuth_at(moments) - b.azimuth_at(moments)) >= APART).any())


def _avoided_yet_wanted(plan: Plan) -> Iterator[Finding]:
    wanted = {f"event {event.id}": event.sound for event in plan.semantic.events}
    wanted |= {f"ambience {i}": sound for i, sound in enumerate(plan.semantic.ambience)}
    for i, item in enumerate(plan.semantic.avoid):
        for owner, sound in wanted.items():
            if lift.stems(item) and lift.stems(item) <= lift.stems(sound):
                yield _error(
                    f"semantic.avoid.{i}",
                    f"{item!r} is to be avoided and {owner} asks for {sound!r}",
                    "delete one of the two",
                )


def _silence_yet_sound(plan: Plan) -> Iterator[Finding]:
    events = plan.semantic.events
    silent = [i for i, event in enumerate(events) if _NO_SOUND.search(event.sound)]
    for i in silent:
        yield _error(
            f"semantic.events.{i}.sound",
            f"{events[i].sound!r} is no sound",
            "delete the event; a plan without events is silence",
        )
    if events and not silent and _ASKS_FOR_SILENCE.search(plan.semantic.prose or ""):
        yield _error(
            "semantic.prose",
            f"the words ask for silence and there are {len(events)} events",
            "delete the events, or the word",
        )


def _temporal(plan: Plan) -> Iterator[Finding]:
    sounds = plan.sounds()
    end = plan.duration + CLIP_EDGE
    for i, span in enumerate(plan.temporal.spans):
        last = "onset" if span.onset >= plan.duration else "offset"
        if span.offset > end:
            yield _error(
                f"temporal.spans.{i}.{last}",
                f"{sounds[span.event]!r} sounds at {getattr(span, last):.2f} s, after the clip's {plan.duration:.2f} s",
                "move it into the clip",
            )
    for (i, a), (j, b) in combinations(enumerate(plan.temporal.spans), 2):
        if a.event == b.event and min(a.offset, b.offset) - max(a.onset, b.onset) > 1e-6:
            yield _warning(
                f"temporal.spans.{j}",
                f"{sounds[b.event]!r} from {b.onset:.2f} to {b.offset:.2f} s overlaps its own span {i}, "
                f"{a.onset:.2f} to {a.offset:.2f} s",
                "make one span of them",
            )
    yield from _words_against_moments(plan)


def _words_against_moments(plan: Plan) -> Iterator[Finding]:
    """Prose that tells another order than the numbers, or other seconds."""
    prose, sounds = plan.temporal.prose, plan.sounds()
    if not prose or not plan.temporal.spans:
        return
    told = lift.spans(prose, sounds, plan.duration)
    onsets = {event: first for event, (first, _) in plan.temporal.heard().items()}
    order = list(dict.fromkeys(span.event for span in told if span.event in onsets))
    for earlier, later in pairwise(order):
        if onsets[earlier] > onsets[later] + SAME_MOMENT:
            yield _error(
                "temporal.prose",
                f"the words put {sounds[earlier]!r} before {sounds[later]!r}, the numbers after it "
                f"({onsets[earlier]:.2f} and {onsets[later]:.2f} s)",
                "mend the words, or delete the prose",
            )
    moments = [m for span in plan.temporal.spans for m in (span.onset, span.offset, *span.hits)]
    for second in lift.seconds_named(prose):
        if min(abs(second - moment) for moment in moments) > SAME_MOMENT:
            yield _error(
                "temporal.prose",
                f"the words tell of {number(second)} s, where no number has anything begin, strike or end",
                "mend the words, or delete the prose",
            )


def _aesthetic(plan: Plan) -> Iterator[Finding]:
    thought = plan.aesthetic
    if thought.flaws and thought.quality > CLEAN:
        yield _warning(
            "aesthetic.flaws",
            f"{', '.join(thought.flaws)} in a clean recording (quality {thought.quality:.2f})",
            f"delete the flaws, or lower the quality to {CLEAN} or less",
        )
    said = {"loudness": lift.loudness(thought.prose or ""), "room": lift.room(thought.prose or "")}
    for name, word in said.items():
        if word is not None and word != getattr(thought, name):
            yield _warning(
                "aesthetic.prose",
                f"the words say {name} {word!r}, the field says {getattr(thought, name)!r}",
                "mend one of them, or delete the prose",
            )


def _spatial(plan: Plan) -> Iterator[Finding]:
    sounds = plan.sounds()
    first: dict[str, int] = {}
    for i, place in enumerate(plan.spatial.places):
        field, sound = f"spatial.places.{i}", sounds[place.event]
        if first.setdefault(place.event, i) != i:
            yield _error(
                field, f"{sound!r} has a place already, number {first[place.event]}", "make one path of them"
            )
        if place.keys[-1].time > plan.duration + CLIP_EDGE:
            yield _warning(
                f"{field}.keys",
                f"{sound!r} is placed at {place.keys[-1].time:.2f} s, after the clip's {plan.duration:.2f} s",
                "end its path within the clip",
            )
        for a, b in pairwise(place.keys):
            if _jumps(a, b):
                yield _warning(
                    f"{field}.keys",
                    f"{sound!r} jumps from {a.azimuth:.2f} to {b.azimuth:.2f} in {b.time - a.time:.2f} s",
                    f"move it at most {FASTEST:g} a second; the width of the screen is 2",
                )
        if _against(lift.sides(sound), place):
            yield _error(
                f"{field}.keys",
                f"{sound!r} is {_where(place)} by its numbers",
                "mend the words or the azimuth",
            )
    yield from _words_against_places(plan)


def _jumps(a: Key, b: Key) -> bool:
    way = abs(b.azimuth - a.azimuth)
    return way > A_JUMP and way > FASTEST * (b.time - a.time)


def _words_against_places(plan: Plan) -> Iterator[Finding]:
    """Prose that says left where the numbers say right."""
    prose, sounds = plan.spatial.prose, plan.sounds()
    places = {place.event: place for place in plan.spatial.places}
    for told in lift.places(prose or "", sounds, {}, plan.duration):
        place = places.get(told.event)
        if place is not None and _against(told.way(), place):
            yield _error(
                "spatial.prose",
                f"the words put {sounds[told.event]!r} {' to '.join(told.way())}, the numbers {_where(place)}",
                "mend the words, or delete the prose",
            )


def _against(sides: list[str], place: Place) -> bool:
    """Whether words and numbers begin or end on opposite sides."""
    way = place.way()
    return bool(sides) and any(
        SIDES[said] * SIDES[told] < 0 for said, told in ((sides[0], way[0]), (sides[-1], way[-1]))
    )


def _where(place: Place) -> str:
    return f"{' to '.join(place.way())} (azimuth {', '.join(f'{key.azimuth:.2f}' for key in place.keys)})"
