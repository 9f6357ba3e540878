"""What the embedded judges are worth: asked about held-out scenes and recordings whose truth is known.

Shapes: B sounds, R recordings, C classes, T moments.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from tqdm import tqdm

from prismaudio.backends.embedded.judges import (
    CleannessJudge,
    OffsetJudge,
    SeenPlaceJudge,
    WordsJudge,
    load_cleanness,
    load_offset,
    load_seen_place,
    load_words,
)
from prismaudio.backends.embedded.senses import Senses
from prismaudio.backends.synchrony import OFFSETS, offset_grid
from prismaudio.config import Config
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.window import window
from prismaudio.evaluation.metrics.bootstrap import Interval, bootstrap
from prismaudio.evaluation.report import Saved, aligned
from prismaudio.generation.judging import levelled
from prismaudio.generation.loading import assets
from prismaudio.models.judges import MOTION_RATE
from prismaudio.stage.corpus import SAMPLE_RATE, Corpus, Recording, Split, read_sound
from prismaudio.stage.mix import damaged, mix
from prismaudio.stage.render import render
from prismaudio.stage.scene import Scene, StageConfig, draw_scene
from prismaudio.training.judged import drawn_damage, other_quality, planted
from prismaudio.training.train_judges import places_over_time, rank_correlation, seen_to_sound
from prismaudio.types import Audio, Frames

MARGIN = 2.0  # seconds on either side of a clip: a moved sound is still sound, and no silence gives it away
SHORTEST = 0.5  # seconds of a recording that is judged
SIDEWAYS = 0.2  # mean azimuth from which a mirrored scene sounds wrong


class JudgesConfig(Config):
    """On what."""

    count: int = Field(150, ge=2)
    seed: int = 2025
    split: Split = "test"
    seconds: float = Field(9.0, gt=0, description="of a clip")
    offsets: PositiveInt = Field(3, description="by which the sound of every scene is moved")
    rounds: PositiveInt = 1000


class Judges(NamedTuple):
    """Who is asked."""

    words: WordsJudge
    offset: OffsetJudge
    cleanness: CleannessJudge
    place: SeenPlaceJudge

    @classmethod
    def shipped(cls) -> "Judges":
        senses = Senses()
        folder = assets()
        return cls(
            load_words(folder),
            load_offset(folder, senses),
            load_cleanness(folder, senses),
            load_seen_place(folder, senses),
        )


class JudgesReport(Saved):
    """Every figure with what chance would give, where that is known."""

    figures: dict[str, Interval]
    chance: dict[str, float]
    cases: dict[str, int]
    seconds: dict[str, float]  # for one clip of 9 s
    judges: dict[str, dict[str, str]]
    settings: dict[str, Any]

    def table(self) -> str:
        rows = [["figure", "value [95 %]", "chance", "cases"]]
        for name, found in self.figures.items():
            chance = f"{self.chance[name]:.3f}" if name in self.chance else ""
            rows.append([name, str(found), chance, str(self.cases[name])])
        times = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in self.seconds.items())
        return "\n".join([*aligned(rows), "", f"All four judges, for a clip: {times}."])


class SceneFindings(NamedTuple):
    """One scene."""

    near: list[bool]  # of moved sounds: is the offset found within 0.2 s
    timed: bool  # whether anything seen strikes, begins or ends
    qualities: tuple[float, float]  # said and planted, of the scene with another quality
    places: Tensor  # (3, T) azimuth seen, heard and true, where something seen sounds
    kept: bool | None  # whether the true sound is preferred to a mirrored one; None: it comes from the middle


def measure_judges(judges: Judges, corpus: Corpus, config: JudgesConfig) -> JudgesReport:
    """Scenes for time, quality and place; recordings for words and quality."""
    scenes = [
        find(judges, scene, plan, index, config)
        for scene, plan, index in tqdm(drawn(corpus, config), total=config.count, desc="scenes")
    ]
    heard = list(recordings(corpus, config.split))
    asked: dict[str, tuple[Sequence[Any], Callable[[Sequence[Any]], float]]] = {
        "offset within 0.2 s": ([s for s in scenes if s.timed], within),
        "offset within 0.2 s, any scene": (scenes, within),
        "quality, scenes (rank correlation)": ([s.qualities for s in scenes], agreement),
        "quality, recordings (rank correlation)": (damaged_recordings(judges, heard), agreement),
        "azimuth seen, true (correlation)": ([s.places[[0, 2]] for s in scenes], correlation),
        "azimuth heard, seen (correlation)": ([s.places[:2] for s in scenes], correlation),
        "true sound preferred to mirrored": ([s.kept for s in scenes if s.kept is not None], mean),
    }
    retrieved, chance = retrieval(judges, corpus, heard)
    asked = {name: (hits, mean) for name, hits in retrieved.items()} | asked
    chance |= {name: 3 / OFFSETS for name in asked if name.startswith("offset")}
    return JudgesReport(
        figures={
            name: bootstrap(cases, statistic, config.rounds, config.seed)
            for name, (cases, statistic) in asked.items()
        },
        chance=chance | {"true sound preferred to mirrored": 0.5},
        cases={name: len(cases) for name, (cases, _) in asked.items()},
        seconds=timed(judges, corpus, config),
        judges={judge.name: dict(judge.versions) for judge in judges},
        settings=config.model_dump(mode="json"),
    )


def drawn(corpus: Corpus, config: JudgesConfig) -> Iterator[tuple[Scene, Plan, int]]:
    """Scenes that are longer than a clip, at either end."""
    length = config.seconds + 2 * MARGIN
    stage = StageConfig(shortest=length, longest=length)
    for index in range(config.count):
        scene = draw_scene(config.seed, index, config.split, corpus, stage)
        yield scene, scene.plan(corpus), index


@torch.no_grad()
def find(judges: Judges, scene: Scene, plan: Plan, index: int, config: JudgesConfig) -> SceneFindings:
    """Ask about the middle of a scene."""
    film, sound = render(scene), torch.from_numpy(mix(scene))
    frames = Frames(film.images[round(MARGIN * film.fps) :][: round(config.seconds * film.fps)], film.fps)
    rng = np.random.default_rng((config.seed, index, 1))
    early = offset_grid()[torch.from_numpy(rng.integers(OFFSETS, size=config.offsets))]
    moved = levelled([cut(sound, MARGIN + float(by), config.seconds) for by in early])
    off = (judges.offset.score(moved, frames).together() - early).abs()
    shown = window(plan, MARGIN, config.seconds)
    kept, places = ask_place(judges.place, sound, frames, shown, config)
    return SceneFindings(
        near=(off < 0.25).tolist(),
        timed=seen_to_sound(shown),
        qualities=ask_quality(judges.cleanness, scene, (config.seed, index), config),
        places=places,
        kept=kept,
    )


def cut(sound: Tensor, start: float, seconds: float) -> Audio:
    """sound: (2, N) -> from `start` on"""
    first = round(start * SAMPLE_RATE)
    return Audio(sound[:, first : first + round(seconds * SAMPLE_RATE)], SAMPLE_RATE)


def ask_quality(
    judge: CleannessJudge, scene: Scene, seed: Sequence[int], config: JudgesConfig
) -> tuple[float, float]:
    """What it says of the scene recorded by another machine, and what was planted."""
    performed = other_quality(scene, seed)
    sound = cut(torch.from_numpy(mix(performed)), MARGIN, config.seconds)
    return float(judge.score(levelled([sound]))[0, 0]), planted(performed)


def ask_place(
    judge: SeenPlaceJudge, sound: Tensor, frames: Frames, plan: Plan, config: JudgesConfig
) -> tuple[bool | None, Tensor]:
    """Whether the true sound is preferred to the mirrored one, and (3, T) azimuths seen, heard and true."""
    true = cut(sound, MARGIN, config.seconds)
    both = levelled([true, Audio(true.samples.flip(0), SAMPLE_RATE)])
    heard, seen, _ = judge.azimuths(both, frames)
    azimuth, sounding = places_over_time(plan, len(frames.images))
    moments = ((torch.arange(len(seen)) + 0.5) * config.seconds / len(seen) * MOTION_RATE).long()
    moments = moments.clamp(max=len(azimuth) - 1)
    there = sounding[moments] > 0
    places = torch.stack([seen, heard[0], azimuth[moments]])[:, there]
    sideways = there.any() and abs(float(places[2].mean())) > SIDEWAYS
    scores = judge.score(both, frames)
    return (bool(scores[0] > scores[1]) if sideways and not scores.isnan().any() else None), places


class HeardRecording(NamedTuple):
    """A recording that no judge learned from."""

    recording: Recording
    class_name: str
    sound: Audio


def recordings(corpus: Corpus, split: Split) -> Iterator[HeardRecording]:
    for name in corpus.classes:
        for recording in corpus.recordings_of(name, split):
            sound = torch.from_numpy(read_sound(recording.path))
            if sound.shape[-1] >= SHORTEST * SAMPLE_RATE:
                yield HeardRecording(recording, name, Audio(sound, SAMPLE_RATE))


def damaged_recordings(judges: Judges, heard: Sequence[HeardRecording]) -> list[tuple[float, float]]:
    """What is said of real recordings, damaged on purpose, and how much they were."""
    found = []
    for number, one in enumerate(heard):
        rng = np.random.default_rng((number, 8))
        quality, flaws = drawn_damage(rng)
        samples = one.sound.samples.numpy()
        samples = samples * (
            0.45 / max(float(np.abs(samples).max()), 1e-4)
        )  # the level that the flaws are meant for
        stereo = np.broadcast_to(samples, (2, samples.shape[-1])).astype(np.float32)
        worse = Audio(torch.from_numpy(damaged(stereo, flaws, quality, rng)), SAMPLE_RATE)
        found.append((float(judges.cleanness.score(levelled([worse]))[0, 0]), quality))
    return found


def retrieval(
    judges: Judges, corpus: Corpus, heard: Sequence[HeardRecording]
) -> tuple[dict[str, list[bool]], dict[str, float]]:
    """Hits by figure, and chance: of the classes' words among recordings, and of recordings among all words."""
    names = list(corpus.classes)
    words = judges.words.read([corpus.classes[name].words for name in names])  # (C, E)
    sounds = torch.cat([judges.words.hear(levelled([one.sound])) for one in heard])  # (R, E)
    alike = words @ sounds.mT  # (C, R)
    own = torch.tensor([[one.class_name == name for one in heard] for name in names])
    found: dict[str, list[bool]] = {}
    chance: dict[str, float] = {}
    asked = own.any(dim=1)
    for k in (1, 5):
        name = f"text to audio R@{k}"
        best = alike[asked].topk(k, dim=1).indices
        found[name] = own[asked].gather(1, best).any(dim=1).tolist()
        chance[name] = float(mean([chance_of(k, int(n), len(heard)) for n in own[asked].sum(dim=1)]))
        name = f"audio to text R@{k}"
        best = alike.mT.topk(k, dim=1).indices
        found[name] = own.mT.gather(1, best).any(dim=1).tolist()
        chance[name] = k / len(names)
    return found, chance


def chance_of(k: int, right: int, of: int) -> float:
    """That one of `k` drawn out of `of`, `right` of which are right, is right."""
    return 1 - float(np.prod([(of - right - i) / (of - i) for i in range(k)]))


def timed(judges: Judges, corpus: Corpus, config: JudgesConfig, batch: int = 8) -> dict[str, float]:
    """Seconds for a clip of 9 s that nobody has seen or heard yet: alone, and as one of `batch` sounds of one film."""
    scene = draw_scene(config.seed, 0, config.split, corpus, StageConfig(shortest=9.0, longest=9.0))
    sound, film = Audio(torch.from_numpy(mix(scene)), SAMPLE_RATE), render(scene)
    text = scene.plan(corpus).paragraphs()["semantic"]
    found = {}
    for name, count in (("alone", 1), (f"one of {batch}", batch)):
        frames = replace(film, images=np.roll(film.images, count, axis=0))
        sounds = levelled([sound] * count)
        start = time.perf_counter()
        judges.words.score(sounds, [text] * count)
        judges.offset.score(sounds, frames)
        judges.cleanness.score(sounds)
        judges.place.score(sounds, frames)
        found[name] = (time.perf_counter() - start) / count
    return found


def within(scenes: Sequence[SceneFindings]) -> float:
    return float(np.mean([near for scene in scenes for near in scene.near]))


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def agreement(pairs: Sequence[tuple[float, float]]) -> float:
    """(said, true) each -> rank correlation"""
    said, true = zip(*pairs, strict=True)
    return rank_correlation(said, true)


def correlation(pairs: Sequence[Tensor]) -> float:
    """(2, T) each -> Pearson's r over all moments"""
    together = torch.cat(list(pairs), dim=1)
    return float(torch.corrcoef(together)[0, 1]) if together.shape[1] > 1 else float("nan")
