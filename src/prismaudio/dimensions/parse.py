"""Read the four paragraphs back into a plan.

What `Plan.render` wrote comes back exactly: every number it tells, and the order where it tells none. What people and
models wrote comes back as prose, word for word, beside whatever of it is recognised.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from prismaudio.dimensions import aesthetic, lift, semantic, spatial, temporal
from prismaudio.dimensions.aesthetic import AestheticThought
from prismaudio.dimensions.plan import DIMENSIONS, InvalidPlan, Plan
from prismaudio.dimensions.provenance import Provenance
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import SpatialThought
from prismaudio.dimensions.temporal import TemporalThought
from prismaudio.dimensions.thought import CLOSING_TAG, FENCE, TAG
from prismaudio.dimensions.wording import sound_and_count, told_names

T = TypeVar("T")
GUESSED = 0.5  # confidence in an event that was recognised in free prose


def parse(text: str, duration: float | None = None, planner: str = "text") -> Plan:
    """The plan that `text` tells. `duration`: seconds of the clip; else it ends with the last second that is told."""
    if duration is None:
        duration = max(lift.seconds_named(text), default=0.0)
    if not 0 < duration < math.inf:
        raise InvalidPlan(f"a text about {duration} s of sound; give the duration of its clip in seconds")
    bare = re.sub(rf"{FENCE}`*\w*", " ", CLOSING_TAG.sub(" ", text)).strip()
    paragraphs, notes = divided(bare, duration)
    read = Reading.of(paragraphs, duration)
    events = read.events(paragraphs["semantic"])
    plan = Plan(
        duration=duration,
        semantic=read.semantic_thought(paragraphs["semantic"], events),
        temporal=read.temporal_thought(paragraphs["temporal"], events, duration),
        aesthetic=read.aesthetic or lift.aesthetic(paragraphs["aesthetic"]),
        provenance=Provenance(planner=planner, notes=notes),
    )
    placed = read.spatial_thought(paragraphs["spatial"], events, plan.temporal.heard(), duration)
    return worded(plan.model_copy(update={"spatial": placed}), paragraphs)


def read_text(path: Path, duration: float | None = None) -> Plan:
    """The plan that a file of paragraphs tells."""
    try:
        return parse(path.read_text(encoding="utf-8"), duration, planner=path.name)
    except OSError as error:
        raise InvalidPlan(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise InvalidPlan(f"{path} is not a text in UTF-8; save it as one") from error


def divided(text: str, duration: float) -> tuple[dict[str, str], tuple[str, ...]]:
    """The paragraph of each dimension, '' where there is none; and notes on what belongs to no dimension."""
    text = _each_tag_on_its_line(text)
    tags = list(TAG.finditer(text))
    if not tags:
        return _by_sentences(text, duration) or dict.fromkeys(DIMENSIONS, "") | {"semantic": text}, ()
    found: dict[str, list[str]] = {name: [] for name in DIMENSIONS}
    ends = [*(tag.start() for tag in tags[1:]), len(text)]
    for tag, end in zip(tags, ends, strict=True):
        name = next(name for name in tag.groups() if name).lower()
        found[name].append(text[tag.end() : end].strip())
    notes: tuple[str, ...] = ()
    if preface := text[: tags[0].start()].strip():
        if found["semantic"]:
            notes = (f"left out what stands before the first tag: {preface}",)
        else:
            found["semantic"].append(preface)
    return {name: " ".join(part for part in parts if part) for name, parts in found.items()}, notes


def _each_tag_on_its_line(text: str) -> str:
    """With a new line after every tag: what follows it may be a tag of the kind that begins a line."""
    count = -1
    while count < (count := len(TAG.findall(text))):
        text = TAG.sub(r"\g<0>\n", text)
    return text


def _by_sentences(text: str, duration: float) -> dict[str, str] | None:
    """The paragraphs of a text without tags, if they are ours; None if anything is left over."""
    paragraphs, rest = {}, text
    readers: dict[str, Callable[[str], tuple[object, int] | None]] = {
        "semantic": semantic.read,
        "temporal": lambda part: temporal.read(part, duration),
        "aesthetic": aesthetic.read,
        "spatial": lambda part: spatial.read(part, {}, duration),
    }
    for name, reader in readers.items():
        read = _valid(reader, rest)
        end = read[1] if read else 0
        paragraphs[name], rest = rest[:end], rest[end:].removeprefix(" ")
    return None if rest else paragraphs


def _valid(reader: Callable[[str], tuple[T, int] | None], text: str) -> tuple[T, int] | None:
    """What `reader` reads; None also if it reads numbers that no thought may hold."""
    try:
        return reader(text)
    except ValidationError:
        return None


def _whole(reader: Callable[[str], tuple[T, int] | None], text: str) -> T | None:
    """The thought, if the reader understands all of `text`."""
    read = _valid(reader, text)
    return read[0] if read and read[1] == len(text) else None


class Reading(NamedTuple):
    """The paragraphs that are sentences of ours, their events called by name; None for those that are not."""

    semantic: SemanticThought | None
    temporal: TemporalThought | None
    aesthetic: AestheticThought | None
    spatial: SpatialThought | None

    @classmethod
    def of(cls, paragraphs: Mapping[str, str], duration: float) -> "Reading":
        timed = _whole(lambda text: temporal.read(text, duration), paragraphs["temporal"])
        heard = {name.casefold(): stretch for name, stretch in timed.heard().items()} if timed else {}
        return cls(
            _whole(semantic.read, paragraphs["semantic"]),
            timed,
            _whole(aesthetic.read, paragraphs["aesthetic"]),
            _whole(lambda text: spatial.read(text, heard, duration), paragraphs["spatial"]),
        )

    def events(self, text: str) -> tuple[Event, ...]:
        """Those of the semantic paragraph `text`, and any that only time or place speak of."""
        spans, places = self.temporal or TemporalThought(), self.spatial or SpatialThought()
        used = [*(span.event for span in spans.spans), *(place.event for place in places.places)]
        known = [] if self.semantic is None else list(self.semantic.events)
        if self.semantic is None and not used:
            known = [
                Event(id=f"s{number}", sound=sound, confidence=GUESSED)
                for number, sound in enumerate(lift.sounds(text), start=1)
            ]
        for sound, count in map(sound_and_count, used):
            alike = sum(event.sound.casefold() == sound.casefold() for event in known)
            for _ in range(count - alike):
                known.append(Event(id=f"s{len(known) + 1}", sound=sound))
        return tuple(known)

    def semantic_thought(self, text: str, events: tuple[Event, ...]) -> SemanticThought:
        if self.semantic is not None:
            return self.semantic.model_copy(update={"events": events})
        return SemanticThought(
            events=events, ambience=tuple(lift.background(text)), avoid=tuple(lift.avoided(text)), prose=text
        )

    def temporal_thought(self, text: str, events: tuple[Event, ...], duration: float) -> TemporalThought:
        if self.temporal is None:
            return TemporalThought(spans=lift.spans(text, _sounds(events), duration))
        ids = _ids(events)
        return TemporalThought(
            spans=tuple(
                span.model_copy(update={"event": ids[span.event.casefold()]}) for span in self.temporal.spans
            )
        )

    def spatial_thought(
        self, text: str, events: tuple[Event, ...], heard: Mapping[str, tuple[float, float]], duration: float
    ) -> SpatialThought:
        if self.spatial is None:
            return SpatialThought(places=lift.places(text, _sounds(events), heard, duration))
        ids = _ids(events)
        return SpatialThought(
            places=tuple(
                place.model_copy(update={"event": ids[place.event.casefold()]})
                for place in self.spatial.places
            )
        )


def _sounds(events: Iterable[Event]) -> dict[str, str]:
    return {event.id: event.sound for event in events}


def _ids(events: Iterable[Event]) -> dict[str, str]:
    """The name of each event in the paragraphs, in small letters -> its id."""
    return {name.casefold(): event for event, name in told_names(_sounds(events)).items()}


def worded(plan: Plan, paragraphs: Mapping[str, str]) -> Plan:
    """The plan that says each paragraph word for word: as prose where its own sentences differ."""
    ordinal, numeric = plan.paragraphs("ordinal"), plan.paragraphs("numeric")
    kept = {
        name: getattr(plan, name).model_copy(update={"prose": text})
        for name, text in paragraphs.items()
        if text not in (ordinal[name], numeric[name])
    }
    return plan.model_copy(update=kept)
