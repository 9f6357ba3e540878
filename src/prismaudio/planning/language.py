"""The closed language in which the student writes the four thoughts: its words, its grammar, and what they mean.

    <Semantic> dog, ball_bounce <Temporal> strikes at 12 31 until 41, sounds from 0 until 75
    <Aesthetic> quality 20, balanced, dry <Spatial> distance 3 at azimuth 8, distance 6 at azimuth 14 frame 0 ... <end>

Every event is named once and then spoken of in that order. Moments are numbers of frames at 25 a second, azimuths
twentieths from -1 to 1, distances tenths, quality twentieths. Whatever obeys the grammar is a plan that reads back.

Shapes: L tokens, V words of the language.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.dimensions.aesthetic import FLAW_WORDS, ROOM_WORDS, AestheticThought
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.errors import PrismAudioError

FPS = MotionEncoder.fps
MOST_EVENTS, MOST_HITS, MOST_KEYS, MOST_AMBIENCE = 4, 16, 7, 2
LONGEST = 250  # frames of a clip: ten seconds
AZIMUTHS, DISTANCES, QUALITIES = 41, 11, 21  # steps

NAMES = tuple(word.name for word in VOCABULARY)
WORDS = (
    *("<end>", "<Semantic>", "<Temporal>", "<Aesthetic>", "<Spatial>"),
    *("off screen", "in the background", "strikes at", "sounds from", "until"),
    *NAMES,
    *(f"quality {step}" for step in range(QUALITIES)),
    *(loudnesses := ("quiet", "balanced", "loud")),
    *(rooms := tuple(ROOM_WORDS)),
    *(flaws := tuple(f"with {flaw}" for flaw in FLAW_WORDS)),
    *(f"distance {step}" for step in range(DISTANCES)),
    *(f"azimuth {step}" for step in range(AZIMUTHS)),
    *(f"frame {k}" for k in range(LONGEST + 1)),
)
NUMBER = {word: number for number, word in enumerate(WORDS)}
END, SEMANTIC, TEMPORAL, AESTHETIC, SPATIAL = range(5)
OFF_SCREEN, BACKGROUND, STRIKES, SOUNDS, UNTIL = range(5, 10)
FIRST_NAME = NUMBER[NAMES[0]]
FIRST_QUALITY = NUMBER["quality 0"]
FIRST_DISTANCE, FIRST_AZIMUTH, FIRST_FRAME = NUMBER["distance 0"], NUMBER["azimuth 0"], NUMBER["frame 0"]
ALL_NAMES = range(FIRST_NAME, FIRST_NAME + len(NAMES))
ALL_QUALITIES = range(FIRST_QUALITY, FIRST_QUALITY + QUALITIES)
ALL_LOUDNESSES = range(NUMBER[loudnesses[0]], NUMBER[loudnesses[-1]] + 1)
ALL_ROOMS = range(NUMBER[rooms[0]], NUMBER[rooms[-1]] + 1)
ALL_FLAWS = range(NUMBER[flaws[0]], NUMBER[flaws[-1]] + 1)
ALL_DISTANCES = range(FIRST_DISTANCE, FIRST_DISTANCE + DISTANCES)
ALL_AZIMUTHS = range(FIRST_AZIMUTH, FIRST_AZIMUTH + AZIMUTHS)


class Unspeakable(PrismAudioError):
    """A plan that the language has no words for."""


@dataclass
class Writer:
    """Follows a text as it is written, and knows which words may come next."""

    frames: int  # of the clip: moments are 0 to `frames`
    tokens: list[int] = field(default_factory=list)
    events: int = 0
    ambience: int = 0
    told: int = 0  # events that this thought has spoken of
    moments: int = 0  # of the event that is spoken of
    last: int = -1  # the latest of them
    part: int = END  # the thought that is being written

    @property
    def finished(self) -> bool:
        return bool(self.tokens) and self.tokens[-1] == END

    def mask(self) -> NDArray[np.bool_]:
        """-> (V,) whether each word may come next."""
        mask = np.zeros(len(WORDS), dtype=bool)
        for words in self.next():
            mask[words.start : words.stop] = True
        return mask

    def next(self) -> list[range]:
        """The words that may come next, as ranges of numbers."""
        if not self.tokens:
            return [_only(SEMANTIC)]
        return {
            SEMANTIC: self._semantic,
            TEMPORAL: self._temporal,
            AESTHETIC: self._aesthetic,
            SPATIAL: self._spatial,
        }[self.part]()

    def write(self, token: int) -> None:
        """Take `token` for the next word; it must be one that may come."""
        if not any(token in words for words in self.next()):
            raise Unspeakable(f"{WORDS[token]!r} cannot come after {self.text() or 'nothing'!r}")
        before = self.tokens[-1] if self.tokens else END
        self.tokens.append(token)
        if token in (SEMANTIC, TEMPORAL, AESTHETIC, SPATIAL):
            self.part, self.told = token, 0
        elif token in ALL_NAMES:
            self.events += before != BACKGROUND
            self.ambience += before == BACKGROUND
        elif token in (STRIKES, SOUNDS) or token in ALL_DISTANCES:
            self.told, self.moments, self.last = self.told + 1, 0, -1
        elif token >= FIRST_FRAME:
            self.moments, self.last = self.moments + 1, token - FIRST_FRAME

    def text(self) -> str:
        """What was written, to be read by people."""
        return " ".join(WORDS[token] for token in self.tokens)

    def _semantic(self) -> list[range]:
        before = self.tokens[-1]
        if before == BACKGROUND:
            return [ALL_NAMES]
        words = [_only(TEMPORAL)]
        if self.ambience < MOST_AMBIENCE:
            words.append(_only(BACKGROUND))
        if self.ambience == 0 and self.events < MOST_EVENTS:
            words.append(ALL_NAMES)
        if before in ALL_NAMES and self.ambience == 0:
            words.append(_only(OFF_SCREEN))
        return words

    def _temporal(self) -> list[range]:
        before, two = self.tokens[-1], self.tokens[-2]
        if two == UNTIL or before == TEMPORAL:  # an event is told of; the next one, or the next thought
            return [range(STRIKES, SOUNDS + 1) if self.told < self.events else _only(AESTHETIC)]
        if before in (STRIKES, SOUNDS):
            return [_moments(0, self.frames - 1)]
        if before == UNTIL:
            return [_moments(self.last + 1, self.frames)]
        more = two != SOUNDS and self.moments < MOST_HITS and self.last < self.frames - 1
        return [_only(UNTIL), *([_moments(self.last + 1, self.frames - 1)] if more else [])]

    def _aesthetic(self) -> list[range]:
        before = self.tokens[-1]
        for these, following in ((_only(AESTHETIC), ALL_QUALITIES), (ALL_QUALITIES, ALL_LOUDNESSES)):
            if before in these:
                return [following]
        if before in ALL_LOUDNESSES:
            return [ALL_ROOMS]
        more = range(before + 1 if before in ALL_FLAWS else ALL_FLAWS.start, ALL_FLAWS.stop)
        return [_only(SPATIAL), more]

    def _spatial(self) -> list[range]:
        before = self.tokens[-1]
        if before in ALL_DISTANCES or before >= FIRST_FRAME:
            return [ALL_AZIMUTHS]
        following = [ALL_DISTANCES if self.told < self.events else _only(END)]
        if before in ALL_AZIMUTHS and self.moments < MOST_KEYS and self.last < self.frames:
            following.append(_moments(self.last + 1, self.frames))
        return following


def _only(token: int) -> range:
    return range(token, token + 1)


def _moments(first: int, last: int) -> range:
    return range(FIRST_FRAME + first, FIRST_FRAME + last + 1)


def frames_of(seconds: float) -> int:
    """Frames that a clip of so many seconds begins."""
    return max(1, min(LONGEST, int(np.ceil(seconds * FPS - 1e-6))))


def spoken(plan: Plan) -> list[int]:
    """The plan in words; numbers go to the nearest step, and moments nearer than a frame apart."""
    writer = Writer(frames_of(plan.duration))
    for token in _tokens(plan, writer.frames):
        writer.write(token)
    return writer.tokens


def _tokens(plan: Plan, frames: int) -> list[int]:
    events, thought = plan.semantic.events, plan.aesthetic
    if len(events) > MOST_EVENTS or len(plan.semantic.ambience) > MOST_AMBIENCE:
        raise Unspeakable(
            f"{len(events)} events and {len(plan.semantic.ambience)} sounds in the background; "
            f"the language tells of {MOST_EVENTS} and {MOST_AMBIENCE}"
        )
    tokens = [SEMANTIC]
    for event in events:
        tokens += [NUMBER[_known(event.label)], *([] if event.on_screen else [OFF_SCREEN])]
    by_words = {word.words: word.name for word in VOCABULARY}
    for ambience in plan.semantic.ambience:
        tokens += [BACKGROUND, NUMBER[_known(by_words.get(ambience))]]
    tokens.append(TEMPORAL)
    for event in events:
        tokens += _told_in_time([span for span in plan.temporal.spans if span.event == event.id], frames)
    tokens += [AESTHETIC, FIRST_QUALITY + round(thought.quality * (QUALITIES - 1)), NUMBER[thought.loudness]]
    tokens.append(NUMBER[thought.room])
    tokens += sorted(NUMBER[f"with {flaw}"] for flaw in set(thought.flaws))
    tokens.append(SPATIAL)
    places = {place.event: place for place in plan.spatial.places}
    for event in events:
        if event.id not in places:
            raise Unspeakable(f"event {event.id} has no place; the language gives every event one")
        tokens += _told_in_space(places[event.id], frames)
    return [*tokens, END]


def _known(label: str | None) -> str:
    if label not in NAMES:
        raise Unspeakable(f"{label!r} is no sound of the vocabulary")
    return label


def _told_in_time(spans: Sequence[Span], frames: int) -> list[int]:
    if len(spans) != 1:
        raise Unspeakable(f"an event with {len(spans)} spans; the language gives every event one")
    (span,) = spans
    moments = _steps(span.hits[:MOST_HITS] or (span.onset,), frames - 1)
    last = max(min(round(span.offset * FPS), frames), moments[-1] + 1)
    words = [FIRST_FRAME + k for k in (moments if span.hits else moments[:1])]
    return [STRIKES if span.hits else SOUNDS, *words, UNTIL, FIRST_FRAME + last]


def _told_in_space(place: Place, frames: int) -> list[int]:
    keys = place.keys
    far = FIRST_DISTANCE + round(place.distance * (DISTANCES - 1))
    if len(keys) == 1:
        return [far, _azimuth(keys[0].azimuth)]
    if len(keys) > MOST_KEYS:
        moments = np.linspace(keys[0].time, keys[-1].time, MOST_KEYS)
        keys = tuple(Key(float(t), float(a)) for t, a in zip(moments, place.azimuth_at(moments), strict=True))
    told = dict(zip((min(max(round(key.time * FPS), 0), frames) for key in keys), keys, strict=True))
    pairs = sorted(told.items())
    return [far, _azimuth(pairs[0][1].azimuth)] + [
        token for k, key in pairs for token in (FIRST_FRAME + k, _azimuth(key.azimuth))
    ]


def _steps(moments: Sequence[float], last: int) -> list[int]:
    return sorted({min(max(round(moment * FPS), 0), last) for moment in moments})


def _azimuth(azimuth: float) -> int:
    return FIRST_AZIMUTH + round((azimuth + 1) / 2 * (AZIMUTHS - 1))


def understood(tokens: Sequence[int], duration: float) -> Plan:
    """The plan of `duration` seconds that the words tell; they must obey the grammar."""
    writer = Writer(frames_of(duration))
    for token in tokens:
        writer.write(token)
    if not writer.finished:
        raise Unspeakable("the text breaks off; it must go on to <end>")
    thoughts = _thoughts(tokens)
    semantic = _events(thoughts[SEMANTIC])
    spans = _clauses(thoughts[TEMPORAL], (STRIKES, SOUNDS))
    places = _clauses(thoughts[SPATIAL], ALL_DISTANCES)
    return Plan(
        duration=duration,
        semantic=semantic,
        temporal=TemporalThought(
            spans=tuple(
                _span(e.id, clause, duration) for e, clause in zip(semantic.events, spans, strict=True)
            )
        ),
        aesthetic=_aesthetic(thoughts[AESTHETIC]),
        spatial=SpatialThought(
            places=tuple(
                _place(e.id, clause, duration) for e, clause in zip(semantic.events, places, strict=True)
            )
        ),
    )


def _thoughts(tokens: Sequence[int]) -> dict[int, list[int]]:
    """Tag -> the words behind it."""
    thoughts: dict[int, list[int]] = {}
    for token in tokens:
        if token in (SEMANTIC, TEMPORAL, AESTHETIC, SPATIAL):
            thoughts[tag := token] = []
        elif token != END:
            thoughts[tag].append(token)
    return thoughts


def _clauses(tokens: Sequence[int], openings: Sequence[int]) -> list[list[int]]:
    """One list of words per event; each begins with one of `openings`."""
    clauses: list[list[int]] = []
    for token in tokens:
        if token in openings:
            clauses.append([])
        clauses[-1].append(token)
    return clauses


def _events(tokens: Sequence[int]) -> SemanticThought:
    events: list[Event] = []
    ambience: list[str] = []
    for before, token in zip([END, *tokens], tokens, strict=False):
        if token == OFF_SCREEN:
            events[-1] = events[-1].model_copy(update={"on_screen": False})
        elif before == BACKGROUND:
            ambience.append(VOCABULARY[token - FIRST_NAME].words)
        elif token in ALL_NAMES:
            word = VOCABULARY[token - FIRST_NAME]
            events.append(Event(id=f"s{len(events) + 1}", sound=word.words, label=word.name))
    return SemanticThought(events=tuple(events), ambience=tuple(ambience))


def _span(event: str, clause: Sequence[int], duration: float) -> Span:
    moments = [(token - FIRST_FRAME) / FPS for token in clause if token >= FIRST_FRAME]
    offset = max(min(moments[-1], duration), moments[0] + 1e-3)
    hits = tuple(moments[:-1]) if clause[0] == STRIKES else ()
    return Span(event=event, onset=moments[0], offset=offset, hits=hits)


def _aesthetic(tokens: Sequence[int]) -> AestheticThought:
    quality, loudness, room, *flaws = tokens
    return AestheticThought.model_validate(
        {
            "quality": (quality - FIRST_QUALITY) / (QUALITIES - 1),
            "loudness": WORDS[loudness],
            "room": WORDS[room],
            "flaws": tuple(WORDS[flaw].removeprefix("with ") for flaw in flaws),
        }
    )


def _place(event: str, clause: Sequence[int], duration: float) -> Place:
    far, first, *pairs = clause
    azimuths = [(token - FIRST_AZIMUTH) / (AZIMUTHS - 1) * 2 - 1 for token in (first, *pairs[1::2])]
    times = [min((token - FIRST_FRAME) / FPS, duration) for token in pairs[::2]]
    keys = [Key(t, round(a, 3)) for t, a in zip(times, azimuths[1:], strict=True)]
    return Place(
        event=event,
        keys=tuple(keys) or (Key(0.0, round(azimuths[0], 3)),),
        distance=(far - FIRST_DISTANCE) / (DISTANCES - 1),
    )
