"""Read every file once, extract what the metrics need, and count what cannot be read instead of replacing it."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from prismaudio.backends.base import Unjudgeable
from prismaudio.backends.extractor import Extractor, FilmExtractor, PictureExtractor, Tensors, TextExtractor
from prismaudio.config import Config
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.suite.cache import FeatureCache, digest_of
from prismaudio.evaluation.suite.clips import Clip, Problem
from prismaudio.evaluation.suite.metric import Extracting, Gathered, Role
from prismaudio.evaluation.suite.sounds import Basics
from prismaudio.media.audio import read_audio
from prismaudio.media.loudness import normalise
from prismaudio.media.preprocess import View
from prismaudio.media.video import read_views
from prismaudio.types import Audio, Frames

FILES: tuple[Role, ...] = ("sound", "reference", "video")


class UnusableSound(PrismAudioError):
    """A sound that is there but cannot be measured."""


class Reading(Config):
    """How much of a file is judged, and at which level; the same for what is judged and what it is compared with."""

    seconds: float | None = None  # from the start; None: all of it
    loudness: float | None = None  # LUFS it is brought to before; None: as it is

    def key(self, role: Role) -> str:
        """What of it matters for one kind of file."""
        if role == "text":
            return ""
        return f"seconds={self.seconds}" + (f" loudness={self.loudness}" if role != "video" else "")


class Gathering(NamedTuple):
    """All clips that could be read, why the others could not, and the content of the files."""

    clips: list[Gathered]
    problems: dict[str, Problem]
    digests: dict[str, dict[Role, str]]  # clip -> role -> SHA-256


def gather(
    clips: Iterable[Clip], metrics: Sequence[Extracting], cache: FeatureCache, reading: Reading
) -> Gathering:
    """One pass over the clips; a file that cannot be read takes its clip out, and is counted.

    Of what a judge can say nothing, such as a clip that is too short for it, the reason is kept and the clip stays.
    """
    wanted = extractors(metrics)
    found: list[Gathered] = []
    problems: dict[str, Problem] = {}
    digests: dict[str, dict[Role, str]] = {}
    for clip in clips:
        opened = _Opened(clip, reading)
        try:
            gathered = extracted(opened, wanted, cache)
        except PrismAudioError as error:
            kind = "unusable" if isinstance(error, UnusableSound) else "unreadable"
            problems[clip.name] = Problem(f"{opened.at} {kind}", str(error))
            continue
        found.append(gathered)
        digests[clip.name] = {role: opened.digest(role) for role in FILES if opened.path(role) is not None}
    return Gathering(found, problems, digests)


def extracted(
    opened: "_Opened", wanted: Mapping[Role, Mapping[str, Extractor]], cache: FeatureCache
) -> Gathered:
    """All that is wanted of one clip, kept or computed."""
    features: dict[tuple[Role, str], Tensors] = {}
    unjudged: dict[tuple[Role, str], str] = {}
    for role, by_name in wanted.items():
        if not opened.has(role):
            continue
        opened.at = "video" if role == "film" else role
        for name, extractor in by_name.items():
            content, way = opened.digest(role), opened.reading.key(role)
            try:
                features[role, name] = cache.get(
                    content, extractor.identity, way, opened.extracting(extractor, role)
                )
            except Unjudgeable as problem:
                unjudged[role, name] = str(problem)
    return Gathered(opened.clip.name, opened.clip.text, features, unjudged)


def extractors(metrics: Iterable[Extracting]) -> dict[Role, dict[str, Extractor]]:
    """role -> name -> extractor, each once however many metrics share it; every sound is at least read."""
    basics = Basics()
    wanted: dict[Role, dict[str, Extractor]] = {
        role: {basics.identity.name: basics} for role in ("sound", "reference")
    }
    for metric in metrics:
        for role, extractor in metric.extracts.items():
            wanted.setdefault(role, {})[extractor.identity.name] = extractor
    return wanted


def read_sound(path: Path, reading: Reading) -> Audio:
    """Stereo at the file's own rate, cut and levelled; `UnusableSound` for what is no sound."""
    audio = read_audio(path, sample_rate=None)
    if not torch.isfinite(audio.samples).all():
        raise UnusableSound(f"{path} has samples that are no numbers; write it again")
    if reading.seconds is not None:
        audio = Audio(audio.samples[:, : round(reading.seconds * audio.sample_rate)], audio.sample_rate)
    return audio if reading.loudness is None else normalise(audio, reading.loudness).audio


def text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class _Opened:
    """A clip whose files are read when the first extractor asks for them."""

    def __init__(self, clip: Clip, reading: Reading) -> None:
        self.clip, self.reading = clip, reading
        self.at: Role = "sound"  # what is being read
        self._digests: dict[Role, str] = {}
        self._sounds: dict[Role, Audio] = {}
        self._views: dict[View, Frames] = {}

    def path(self, role: Role) -> Path | None:
        return {"sound": self.clip.sound, "reference": self.clip.reference, "video": self.clip.video}[role]

    def has(self, role: Role) -> bool:
        if role == "text":
            return self.clip.text is not None
        return self.path("video" if role == "film" else role) is not None

    def digest(self, role: Role) -> str:
        """SHA-256 of the content; of a film, of those of its sound and its pictures."""
        if role not in self._digests:
            match role:
                case "text":
                    found = text_digest(self.clip.text or "")
                case "film":
                    found = text_digest(f"{self.digest('sound')} {self.digest('video')}")
                case _:
                    found = digest_of(self._there(role))
            self._digests[role] = found
        return self._digests[role]

    def audio(self, role: Role) -> Audio:
        if role not in self._sounds:
            self._sounds[role] = read_sound(self._there(role), self.reading)
        return self._sounds[role]

    def frames(self, view: View) -> Frames:
        if view not in self._views:
            found = read_views(self._there("video"), {"view": view}, duration=self.reading.seconds)
            self._views[view] = found["view"]
        return self._views[view]

    def extracting(self, extractor: Extractor, role: Role) -> Callable[[], Tensors]:
        def extract() -> Tensors:
            if isinstance(extractor, TextExtractor):
                return extractor.extract_text(self.clip.text or "")
            if isinstance(extractor, PictureExtractor):
                return extractor.extract_frames(self.frames(extractor.view))
            if isinstance(extractor, FilmExtractor):
                return extractor.extract_film(self.audio("sound"), self.frames(extractor.view))
            return extractor.extract(self.audio(role))

        return extract

    def _there(self, role: Role) -> Path:
        path = self.path(role)
        assert path is not None, role
        return path
