"""Is an edit of the plan heard? A hit moved by half a second must move its onset, left and right exchanged the ears.

The picture stays as it was, so it contradicts the edited plan: as it does when a user wants something else than it shows.
"""

from collections.abc import Iterator
from itertools import count, islice
from typing import NamedTuple

import numpy as np
from pydantic import PositiveInt
from tqdm import tqdm

from prismaudio.config import Config
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.spatial import Key, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.evaluation.metrics.direction import listen
from prismaudio.evaluation.metrics.onsets import DETECTOR, FIRST_JUDGED, TOLERANCE
from prismaudio.evaluation.report import Saved
from prismaudio.generation.options import Options
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.stage.corpus import Corpus, Split
from prismaudio.stage.render import render
from prismaudio.stage.scene import Scene, StageConfig, draw_scene
from prismaudio.types import Audio

SHIFT = 0.5  # seconds
APART = 0.3  # seconds that a moved hit keeps from every other, before and after
ASIDE = 0.3  # of azimuth from which a sound is clearly at one side
PICTURE_SIZE = (320, 224)


class EditsConfig(Config):
    """Which scenes."""

    count: PositiveInt = 50
    seed: int = 77
    split: Split = "test"


class Moved(NamedTuple):
    """A plan with one hit somewhere else."""

    plan: Plan
    before: float  # seconds
    after: float


class Tally(NamedTuple):
    """How many edits were heard, of how many; and the scenes in which they were not."""

    heard: int
    tried: int
    missed: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.heard} of {self.tried}" + (f", not in scenes {list(self.missed)}" * bool(self.missed))


class EditsReport(Saved):
    """How many edits were heard."""

    moved: Tally
    exchanged: Tally

    def table(self) -> str:
        return f"a hit moved by {SHIFT} s   {self.moved}\nleft and right        {self.exchanged}"


def run_edits(model: VideoToAudio, corpus: Corpus, config: EditsConfig, options: Options) -> EditsReport:
    """`count` scenes for each kind of edit: the first of the split in which it can be made and judged."""
    return EditsReport(
        moved=_tally(_moves(model, corpus, config, options), config.count, "moving hits"),
        exchanged=_tally(_exchanges(model, corpus, config, options), config.count, "exchanging sides"),
    )


def _tally(outcomes: Iterator[tuple[int, bool]], wanted: int, what: str) -> Tally:
    results = dict(tqdm(islice(outcomes, wanted), total=wanted, desc=what))
    return Tally(sum(results.values()), len(results), tuple(n for n, heard in results.items() if not heard))


def _moves(
    model: VideoToAudio, corpus: Corpus, config: EditsConfig, options: Options
) -> Iterator[tuple[int, bool]]:
    for index, scene in _scenes(corpus, config):
        plan = scene.plan(corpus)
        moved = with_moved_hit(plan)
        if moved is None or any(source.mode != "struck" for source in scene.sources):
            continue
        original, edited = _sounds(model, scene, (plan, moved.plan), index, options)
        yield (
            index,
            has_onset(original, moved.before)
            and has_onset(edited, moved.after)
            and not has_onset(edited, moved.before),
        )


def _exchanges(
    model: VideoToAudio, corpus: Corpus, config: EditsConfig, options: Options
) -> Iterator[tuple[int, bool]]:
    for index, scene in _scenes(corpus, config):
        plan = scene.plan(corpus)
        azimuths = [key.azimuth for place in plan.spatial.places for key in place.keys]
        if not azimuths or abs(float(np.mean(azimuths))) < ASIDE or min(azimuths) * max(azimuths) < 0:
            continue
        original, edited = _sounds(model, scene, (plan, mirrored(plan)), index, options)
        sides = [level_of_right(sound) * np.sign(azimuths[0]) for sound in (original, edited)]
        yield index, sides[0] > 0 > sides[1]


def _scenes(corpus: Corpus, config: EditsConfig) -> Iterator[tuple[int, Scene]]:
    for index in count():
        yield index, draw_scene(config.seed, index, config.split, corpus, StageConfig(off_screen=0))


def _sounds(
    model: VideoToAudio, scene: Scene, plans: tuple[Plan, Plan], seed: int, options: Options
) -> list[Audio]:
    """The same picture and noise under two plans."""
    frames = render(scene, *PICTURE_SIZE)
    return [model(frames, plan=plan, seed=seed, **options.model_dump()).audio for plan in plans]


def with_moved_hit(plan: Plan) -> Moved | None:
    """The first hit that can go half a second later or earlier and be alone, before and after; None if none can."""
    everything = plan.onsets()
    for number, span in enumerate(plan.temporal.spans):
        for hit in span.hits:
            for after in (hit + SHIFT, hit - SHIFT):
                others = [onset for onset in everything if onset != hit]
                inside = FIRST_JUDGED + APART < after < plan.duration - APART and hit > FIRST_JUDGED
                if inside and all(abs(other - t) > APART for other in others for t in (hit, after)):
                    return Moved(_with_span(plan, number, shifted(span, hit, after)), hit, after)
    return None


def shifted(span: Span, hit: float, after: float) -> Span:
    """The span with one of its hits at another moment, as long before the first and after the last as it was."""
    pairs = list(zip(span.hits, span.strengths or [None] * len(span.hits), strict=True))
    moved = sorted((after if moment == hit else moment, strength) for moment, strength in pairs)
    hits = tuple(moment for moment, _ in moved)
    return span.model_copy(
        update={
            "hits": hits,
            "strengths": tuple(strength for _, strength in moved if strength is not None),
            "onset": max(0.0, span.onset + hits[0] - span.hits[0]),
            "offset": span.offset + hits[-1] - span.hits[-1],
        }
    )


def mirrored(plan: Plan) -> Plan:
    """Left and right exchanged."""
    places = tuple(
        place.model_copy(update={"keys": tuple(Key(key.time, -key.azimuth) for key in place.keys)})
        for place in plan.spatial.places
    )
    return plan.model_copy(update={"spatial": SpatialThought(places=places)})


def has_onset(audio: Audio, moment: float) -> bool:
    return any(abs(onset - moment) <= TOLERANCE for onset in DETECTOR(audio))


def level_of_right(audio: Audio) -> float:
    """dB over the left, of the whole sound."""
    ears = listen(audio)
    return ears.level_db(np.ones(len(ears.left), dtype=bool))


def _with_span(plan: Plan, number: int, span: Span) -> Plan:
    spans = list(plan.temporal.spans)
    spans[number] = span
    return plan.model_copy(update={"temporal": TemporalThought(spans=tuple(spans))})
