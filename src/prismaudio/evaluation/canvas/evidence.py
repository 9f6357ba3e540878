"""What the filters of a benchmark measure of one clip; each is a metric of the suite, and says what it cannot see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch

from prismaudio.backends.extractor import Extractor, Identity, SoundExtractor, Tensors
from prismaudio.evaluation.metrics.proxy_sync import FPS, synchrony
from prismaudio.evaluation.metrics.proxy_voice import voiced_share
from prismaudio.evaluation.suite.measures import POSTERIORS, column
from prismaudio.evaluation.suite.metric import Better, ClipValues, Gathered, Role
from prismaudio.evaluation.suite.sounds import Basics, Motion, Onsets
from prismaudio.types import Audio


@dataclass(frozen=True)
class Seconds:
    """The shorter of picture and sound."""

    name: ClassVar[str] = "seconds"
    unit: ClassVar[str] = "s"
    better: ClassVar[Better] = ""
    basics: Basics = field(default_factory=Basics)
    motion: Motion = field(default_factory=Motion)

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.basics, "video": self.motion}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        heard = np.array(column(clips, "sound", self.basics, "seconds"))
        seen = np.array([len(curve) / FPS for curve in column(clips, "video", self.motion, "curve")])
        return ClipValues(np.minimum(heard, seen))


@dataclass(frozen=True)
class Level:
    """Integrated loudness; -inf for digital silence."""

    name: ClassVar[str] = "loudness"
    unit: ClassVar[str] = "LUFS"
    better: ClassVar[Better] = ""
    basics: Basics = field(default_factory=Basics)

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.basics}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        return ClipValues(np.array(column(clips, "sound", self.basics, "lufs")))


@dataclass(frozen=True)
class SeenOnsets:
    """How surely sound begins when something in the picture begins to move; nan where nothing in the sound begins."""

    name: ClassVar[str] = "seen onsets"
    unit: ClassVar[str] = "0 to 1"
    better: ClassVar[Better] = "higher"
    onsets: Onsets = field(default_factory=Onsets)
    motion: Motion = field(default_factory=Motion)

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.onsets, "video": self.motion}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        sounds = column(clips, "sound", self.onsets, "curve")
        films = column(clips, "video", self.motion, "curve")
        return ClipValues(np.array([2 * synchrony(a, b).score for a, b in zip(sounds, films, strict=True)]))


@dataclass(frozen=True)
class Share:
    """How much of what a classifier hears is of some classes."""

    name: str
    extractor: SoundExtractor
    classes: tuple[int, ...]  # numbers of its classes
    unit: ClassVar[str] = "0 to 1"
    better: ClassVar[Better] = "lower"

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.extractor}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        chances = np.exp(np.stack(column(clips, "sound", self.extractor, POSTERIORS)))
        return ClipValues(chances[:, list(self.classes)].sum(axis=1))


class VoiceTest:
    """The weightless test for a voice."""

    identity = Identity("voice-test", "1", "")

    def extract(self, audio: Audio) -> Tensors:
        """-> share ()"""
        return {"share": torch.tensor(voiced_share(audio), dtype=torch.float64)}


@dataclass(frozen=True)
class Voiced:
    """Share of seconds in which a voice may speak."""

    name: ClassVar[str] = "proxy_voice"
    unit: ClassVar[str] = "0 to 1"
    better: ClassVar[Better] = "lower"
    extractor: VoiceTest = field(default_factory=VoiceTest)

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.extractor}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        return ClipValues(np.array(column(clips, "sound", self.extractor, "share")))
