"""Read every file once, extract what the metrics need, and count what cannot be read instead of replacing it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch

from prismaudio.backends.extractor import Extractor, PictureExtractor, Tensors
from prismaudio.config import Config
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.suite.cache import FeatureCache, digest_of
from prismaudio.evaluation.suite.clips import Clip, Problem
from prismaudio.evaluation.suite.metric import Gathered, Metric, Role
from prismaudio.evaluation.suite.sounds import Basics
from prismaudio.media.audio import read_audio
from prismaudio.media.loudness import normalise
from prismaudio.media.video import read_views
from prismaudio.types import Audio


class UnusableSound(PrismAudioError):
    """A sound that is there but cannot be measured."""


class Reading(Config):
    """How much of a file is judged, and at which level; the same for what is judged and what it is compared with."""

    seconds: float | None = None  # from the start; None: all of it
    loudness: float | None = None  # LUFS it is brought to before; None: as it is

    def key(self, role: Role) -> str:
        """What of it matters for one kind of file."""
        return f"seconds={self.seconds}" + (f" loudness={self.loudness}" if role != "video" else "")


class Gathering(NamedTuple):
    """All clips that could be read, why the others could not, and the content of the files."""

    clips: list[Gathered]
    problems: dict[str, Problem]
    digests: dict[str, dict[Role, str]]  # clip -> role -> SHA-256


def gather(
    clips: Iterable[Clip], metrics: Sequence[Metric], cache: FeatureCache, reading: Reading
) -> Gathering:
    """One pass over the clips; a file that cannot be read takes its clip out, and is counted."""
    wanted = extractors(metrics)
    found: list[Gathered] = []
    problems: dict[str, Problem] = {}
    digests: dict[str, dict[Role, str]] = {}
    for clip in clips:
        features: dict[tuple[Role, str], Tensors] = {}
        role: Role = "sound"
        digests[clip.name] = {}
        try:
            for role, path in files(clip).items():
                file = _File(path, role, reading)
                digests[clip.name][role] = file.digest
                for name, extractor in wanted.get(role, {}).items():
                    features[role, name] = cache.get(
                        file.digest, extractor.identity, reading.key(role), file.extracting(extractor)
                    )
        except PrismAudioError as error:
            kind = "unusable" if isinstance(error, UnusableSound) else "unreadable"
            problems[clip.name] = Problem(f"{role} {kind}", str(error))
            continue
        found.append(Gathered(clip.name, clip.text, features))
    return Gathering(found, problems, digests)


def extractors(metrics: Iterable[Metric]) -> dict[Role, dict[str, Extractor]]:
    """role -> name -> extractor, each once however many metrics share it; every sound is at least read."""
    basics = Basics()
    wanted: dict[Role, dict[str, Extractor]] = {
        role: {basics.identity.name: basics} for role in ("sound", "reference")
    }
    for metric in metrics:
        for role, extractor in metric.extracts.items():
            wanted.setdefault(role, {})[extractor.identity.name] = extractor
    return wanted


def files(clip: Clip) -> Mapping[Role, Path]:
    """The files of a clip that are there."""
    roles: dict[Role, Path | None] = {"sound": clip.sound, "reference": clip.reference, "video": clip.video}
    return {role: path for role, path in roles.items() if path is not None}


def read_sound(path: Path, reading: Reading) -> Audio:
    """Stereo at the file's own rate, cut and levelled; `UnusableSound` for what is no sound."""
    audio = read_audio(path, sample_rate=None)
    if not torch.isfinite(audio.samples).all():
        raise UnusableSound(f"{path} has samples that are no numbers; write it again")
    if reading.seconds is not None:
        audio = Audio(audio.samples[:, : round(reading.seconds * audio.sample_rate)], audio.sample_rate)
    return audio if reading.loudness is None else normalise(audio, reading.loudness).audio


class _File:
    """One file, read when the first extractor asks for it."""

    def __init__(self, path: Path, role: Role, reading: Reading) -> None:
        self.path, self.role, self.reading = path, role, reading

    @cached_property
    def digest(self) -> str:
        return digest_of(self.path)

    @cached_property
    def audio(self) -> Audio:
        return read_sound(self.path, self.reading)

    def extracting(self, extractor: Extractor) -> Callable[[], Tensors]:
        def extract() -> Tensors:
            if isinstance(extractor, PictureExtractor):
                views = {"view": extractor.view}
                frames = read_views(self.path, views, duration=self.reading.seconds)["view"]
                return extractor.extract_frames(frames)
            return extractor.extract(self.audio)

        return extract
