"""Draw a scene: who is on the stage, when each sounds, how it moves. A pure function of (seed, index, split).

A drawn scene is a value; `render.py` shows it and `mix.py` sounds it. Time in seconds, places in screen units: x and y
from -1 (left, top) to 1 (right, bottom), sizes as a share of the screen's height.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from prismaudio.config import Config
from prismaudio.dimensions.aesthetic import AestheticThought, Flaw
from prismaudio.dimensions.plan import Plan, Provenance
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.errors import PrismAudioError
from prismaudio.stage.corpus import Corpus, Mode, Recording, Split, Sprite

T = TypeVar("T")
Gesture = Literal["fall", "swing", "hop", "squash", "shake"]
GESTURES: tuple[Gesture, ...] = ("fall", "swing", "hop", "squash", "shake")
FLAWS: tuple[Flaw, ...] = ("noise", "hum", "clipping", "dull")
SHORTEST_GAP = 0.2  # between two hits of one source


class NothingToDraw(PrismAudioError):
    """A stage without sounds."""


class StageConfig(Config):
    """How scenes are drawn."""

    shortest: PositiveFloat = 2.0
    longest: PositiveFloat = 9.0
    off_screen: float = Field(0.2, ge=0, le=1, description="share of scenes with a source that is only heard")
    distractor: float = Field(
        0.25, ge=0, le=1, description="share of scenes in which something moves silently"
    )
    ambience: float = Field(0.35, ge=0, le=1)
    moving: float = Field(0.35, ge=0, le=1, description="share of sources that cross or approach")
    cut: float = Field(0.1, ge=0, le=1, description="share of scenes with a second shot")
    classes: tuple[str, ...] | None = Field(None, description="the only ones that sound; None: all")


@dataclass(frozen=True)
class Path:
    """A smooth way across the screen, from the first to the last moment of the scene."""

    start: tuple[float, float, float]  # x, y, size
    end: tuple[float, float, float]
    duration: float

    def at(self, t: float) -> tuple[float, float, float]:
        """x, y and size at second `t`, easing in and out."""
        share = min(max(t / self.duration, 0.0), 1.0)
        eased = share * share * (3 - 2 * share)
        x, y, size = (a + (b - a) * eased for a, b in zip(self.start, self.end, strict=True))
        return x, y, size


@dataclass(frozen=True)
class Source:
    """Something that sounds, is seen, or both."""

    id: str
    class_name: str
    mode: Mode
    words: str
    recordings: tuple[Recording, ...]  # one per hit; a single one for a sustained source; empty if silent
    hits: tuple[float, ...]  # empty for a sustained source
    strengths: tuple[float, ...]
    span: tuple[float, float]
    path: Path
    gain_db: float
    speed: float
    sprite: Sprite | None  # None: off screen
    gesture: Gesture = "hop"
    flip: bool = False
    seen: tuple[float, float] = (0.0, 1e9)

    def distance(self) -> float:
        """0 close, 1 far, from the mean size on screen."""
        size = (self.path.start[2] + self.path.end[2]) / 2
        return float(np.clip((0.65 - size) / 0.5, 0, 1))


@dataclass(frozen=True)
class Scene:
    """Everything about one scene; `seed`s of the parts keep picture and sound noise apart."""

    duration: float
    sources: tuple[Source, ...]
    distractors: tuple[Source, ...]
    ambience: tuple[Recording, ...]
    ambience_db: float
    quality: float
    flaws: tuple[Flaw, ...]
    room: Literal["dry", "room", "hall"]
    loudness: Literal["quiet", "balanced", "loud"]
    cut_at: float | None
    noise_seed: int

    def plan(self, corpus: Corpus) -> Plan:
        """The truth about the scene."""
        return Plan(
            duration=self.duration,
            semantic=SemanticThought(
                events=tuple(
                    Event(id=s.id, sound=s.words, label=s.class_name, on_screen=s.sprite is not None)
                    for s in self.sources
                ),
                ambience=tuple(corpus.classes[r.class_name].words for r in self.ambience),
            ),
            temporal=TemporalThought(spans=tuple(_span(s, self.duration) for s in self.sources)),
            aesthetic=AestheticThought(
                quality=round(self.quality, 3), flaws=self.flaws, loudness=self.loudness, room=self.room
            ),
            spatial=SpatialThought(places=tuple(_place(s) for s in self.sources)),
            provenance=Provenance(planner="stage"),
        )


def _span(source: Source, duration: float) -> Span:
    start, end = source.span
    hits = tuple(round(hit, 4) for hit in source.hits)
    return Span(
        event=source.id,
        onset=round(min(start, duration - 0.01), 4),
        offset=round(min(end, duration), 4),
        hits=hits,
        strengths=tuple(round(s, 3) for s in source.strengths),
    )


def _place(source: Source) -> Place:
    moves = abs(source.path.end[0] - source.path.start[0]) > 1e-6
    times = np.linspace(0, source.path.duration, 7) if moves else np.zeros(1)
    keys = tuple(
        Key(round(float(t), 3), round(float(np.clip(source.path.at(t)[0], -1, 1)), 3)) for t in times
    )
    return Place(event=source.id, keys=keys, distance=round(source.distance(), 3))


def draw_scene(
    seed: int, index: int, split: Split, corpus: Corpus, config: StageConfig | None = None, take: int = 0
) -> Scene:
    """Scene number `index`. Another `take` is the same performance with other recordings of the same classes."""
    config = config or StageConfig()
    corpus = corpus if config.classes is None else corpus.sounding(config.classes)
    rng = np.random.default_rng((seed, index, ("train", "validation", "test").index(split)))
    sound_rng = np.random.default_rng((seed, index, take, 1))
    duration = round(float(rng.uniform(config.shortest, config.longest)) * 25) / 25
    count = int(rng.choice([1, 2, 3], p=[0.55, 0.3, 0.15]))
    cut_at = (
        round(duration * float(rng.uniform(0.35, 0.65)), 2)
        if count > 1 and rng.random() < config.cut
        else None
    )
    unseen = rng.random() < config.off_screen
    sources = []
    for number in range(count):
        on_screen = not (unseen and number == count - 1)
        shot = (0.0, duration)
        if cut_at is not None:
            shot = (0.0, cut_at) if number == 0 else (cut_at, duration)
        sources.append(
            _draw_source(f"s{number + 1}", rng, sound_rng, split, corpus, config, duration, shot, on_screen)
        )
    distractors: tuple[Source, ...] = ()
    if rng.random() < config.distractor:
        distractors = (_draw_distractor(rng, split, corpus, duration),)
    beds = [c for c in corpus.classes.values() if c.ambient and corpus.recordings_of(c.name, split)]
    ambience: tuple[Recording, ...] = ()
    if rng.random() < config.ambience and beds:
        bed = beds[int(rng.integers(len(beds)))]
        ambience = (_pick(corpus.recordings_of(bed.name, split), sound_rng),)
    quality = float(rng.beta(2.0, 0.9))
    flaw_count = 0 if quality > 0.8 else 1 if quality > 0.4 else 2
    flaws = cast(tuple[Flaw, ...], tuple(str(f) for f in rng.choice(FLAWS, size=flaw_count, replace=False)))
    return Scene(
        duration=duration,
        sources=tuple(sources),
        distractors=distractors,
        ambience=ambience,
        ambience_db=float(rng.uniform(-34, -20)),
        quality=quality,
        flaws=flaws,
        room=cast(
            Literal["dry", "room", "hall"], str(rng.choice(["dry", "room", "hall"], p=[0.5, 0.4, 0.1]))
        ),
        loudness=cast(
            Literal["quiet", "balanced", "loud"],
            str(rng.choice(["quiet", "balanced", "loud"], p=[0.2, 0.6, 0.2])),
        ),
        cut_at=cut_at,
        noise_seed=int(rng.integers(2**31)),
    )


def _pick(items: Sequence[T], rng: Generator) -> T:
    return items[int(rng.integers(len(items)))]


def _draw_source(  # noqa: PLR0913  # the parts of one draw, used here only
    name: str,
    rng: Generator,
    sound_rng: Generator,
    split: Split,
    corpus: Corpus,
    config: StageConfig,
    duration: float,
    shot: tuple[float, float],
    on_screen: bool,
) -> Source:
    class_name = _draw_class(rng, split, corpus, on_screen)
    recordings = corpus.recordings_of(class_name, split)
    sprites = corpus.sprites_of(class_name, split) if on_screen else []
    mode = corpus.classes[class_name].mode
    recordings = [r for r in recordings if r.mode == mode] or recordings
    hits = () if mode == "sustained" else _draw_hits(rng, mode, shot)
    chosen = tuple(_pick(recordings, sound_rng) for _ in hits) or (_pick(recordings, sound_rng),)
    if rng.random() < 0.5:  # one object usually sounds alike each time
        chosen = tuple(chosen[0] for _ in chosen)
    strengths = tuple(float(s) for s in rng.uniform(0.5, 1.0, len(hits)))
    return Source(
        id=name,
        class_name=class_name,
        mode=mode,
        words=corpus.classes[class_name].words,
        recordings=chosen,
        hits=hits,
        strengths=strengths,
        span=_span_of_hits(hits, mode, duration) if hits else _draw_span(rng, shot),
        path=_draw_path(rng, duration, moving=rng.random() < config.moving),
        gain_db=float(rng.uniform(-8, 0)),
        speed=float(sound_rng.choice([0.92, 1.0, 1.0, 1.09])),
        sprite=_pick(sprites, rng) if sprites else None,
        gesture=_pick(GESTURES, rng),
        flip=bool(rng.random() < 0.5),
        seen=shot,
    )


def _draw_class(rng: Generator, split: Split, corpus: Corpus, on_screen: bool) -> str:
    """Every class alike, whatever its number of recordings; struck ones twice as often, for the sake of timing."""
    names, weights = [], []
    for sound in corpus.classes.values():
        heard = corpus.recordings_of(sound.name, split)
        seen = corpus.sprites_of(sound.name, split)
        if heard and (seen or not on_screen):
            names.append(sound.name)
            weights.append(2.0 if sound.mode == "struck" else 1.0)
    if not names:
        raise NothingToDraw(
            f"no class has a recording{' and a picture' if on_screen else ''} in the split {split}; "
            "allow other classes, or all"
        )
    return str(rng.choice(names, p=np.array(weights) / sum(weights)))


def _draw_hits(rng: Generator, mode: Mode, shot: tuple[float, float]) -> tuple[float, ...]:
    """Rising instants inside the shot: a regular, accelerating or irregular rhythm; calls are few."""
    start, end = shot[0] + 0.25, shot[1] - 0.35
    room = max(end - start, 0.1)
    most = min(8 if mode == "struck" else 3, max(int(room / (0.45 if mode == "struck" else 1.2)), 1))
    count = int(rng.integers(1, most + 1))
    if count == 1:
        return (float(rng.uniform(start, end)),)
    kind = rng.choice(["regular", "accelerating", "irregular"])
    gaps: NDArray[np.floating] = np.ones(count - 1)
    if kind == "accelerating":
        gaps = 0.8 ** np.arange(count - 1)
    elif kind == "irregular":
        gaps = rng.uniform(0.4, 1.6, count - 1)
    stretch = float(rng.uniform(0.4, 1.0)) * room / gaps.sum()
    gaps = np.maximum(gaps * stretch, SHORTEST_GAP)
    first = float(rng.uniform(start, max(end - gaps.sum(), start)))
    hits = first + np.concatenate([[0.0], np.cumsum(gaps)])
    return tuple(float(hit) for hit in hits if hit < end + 0.01)


def _span_of_hits(hits: tuple[float, ...], mode: Mode, duration: float) -> tuple[float, float]:
    tail = 0.4 if mode == "struck" else 1.2
    return hits[0], min(hits[-1] + tail, duration)


def _draw_span(rng: Generator, shot: tuple[float, float]) -> tuple[float, float]:
    """A sustained sound: throughout, or with a start and an end of its own."""
    start, end = shot
    if rng.random() < 0.4:
        return start, end
    length = (end - start) * float(rng.uniform(0.35, 0.8))
    begin = float(rng.uniform(start, end - length))
    return begin, begin + length


def _draw_path(rng: Generator, duration: float, *, moving: bool) -> Path:
    x, y, size = float(rng.uniform(-0.85, 0.85)), float(rng.uniform(-0.1, 0.5)), float(rng.uniform(0.25, 0.6))
    start = (x, y, size)
    if not moving:
        return Path(start, start, duration)
    if rng.random() < 0.25:  # approach or leave
        return Path(start, (x * 0.6, y, float(np.clip(size * rng.choice([0.5, 1.8]), 0.18, 0.9))), duration)
    across = float(rng.uniform(0.7, 1.6)) * (-1 if x > 0 else 1)
    return Path(start, (float(np.clip(x + across, -0.9, 0.9)), y, size), duration)


def _draw_distractor(rng: Generator, split: Split, corpus: Corpus, duration: float) -> Source:
    """Moves smoothly and never strikes, so that motion alone is no sound."""
    sprite = _pick([s for s in corpus.sprites if s.split == split], rng)
    return Source(
        id="distractor",
        class_name=sprite.class_name,
        mode="sustained",
        words="",
        recordings=(),
        hits=(),
        strengths=(),
        span=(0.0, 0.0),
        path=_draw_path(rng, duration, moving=True),
        gain_db=0.0,
        speed=1.0,
        sprite=sprite,
        flip=bool(rng.random() < 0.5),
    )
