"""The metrics of the suite: figures of sets by named embedding, and values of single clips.

Shapes: N clips, D features, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from prismaudio.backends.embedded.interaural import NARROWEST
from prismaudio.backends.extractor import Extractor, SoundExtractor, Tensors
from prismaudio.evaluation.metrics.divergence import kl_divergence
from prismaudio.evaluation.metrics.frechet import (
    frechet_distance,
    frechet_infinity,
    stacked,
)
from prismaudio.evaluation.metrics.inception import inception_score
from prismaudio.evaluation.metrics.kid import kernel_distance
from prismaudio.evaluation.metrics.proxy_spatial import (
    Ears,
    Movement,
    agreement,
    agreement_with_picture,
)
from prismaudio.evaluation.metrics.proxy_sync import FPS, synchrony
from prismaudio.evaluation.suite.metric import Better, Chosen, ClipValues, Gathered, Role, SetValue
from prismaudio.evaluation.suite.sounds import Basics, Defects, Interaural, Motion, Onsets

FEATURES, POSTERIORS = "features", "log_posteriors"


def column(
    clips: Sequence[Gathered], role: Role, extractor: Extractor, tensor: str
) -> list[NDArray[np.float64]]:
    """One tensor of every clip, in order."""
    name = extractor.identity.name
    return [clip.features[role, name][tensor].double().numpy() for clip in clips]


@dataclass(frozen=True)
class Distance:
    """Between the features of all sounds and those of all references."""

    extractor: SoundExtractor
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "lower"

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.extractor, "reference": self.extractor}

    def rows(self, clips: Sequence[Gathered]) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
        """Those of the sounds and of the references, one (D,) or (patches, D) per clip."""
        return (
            column(clips, "sound", self.extractor, FEATURES),
            column(clips, "reference", self.extractor, FEATURES),
        )


@dataclass(frozen=True)
class Frechet(Distance):
    """FD_{embedding}; patches of sounds are pooled where an embedding gives several."""

    allow_small: bool = False

    @property
    def name(self) -> str:
        return f"FD_{self.extractor.identity.name}"

    def measure(self, clips: Sequence[Gathered]) -> SetValue:
        """Refuses fewer sounds than features at once, not in the middle of the bootstrap."""
        sounds, references = self.rows(clips)
        frechet_distance(stacked(sounds), stacked(references), allow_small=self.allow_small)

        def statistic(chosen: Chosen) -> float:
            x, y = (stacked([rows[i] for i in chosen]) for rows in (sounds, references))
            return frechet_distance(x, y, allow_small=True)

        return SetValue(statistic, note=f"D {stacked(sounds[:1]).shape[1]}")


@dataclass(frozen=True)
class FrechetInfinity(Distance):
    """FDinf_{embedding}: what endlessly many sounds would give, for sets too small for FD."""

    @property
    def name(self) -> str:
        return f"FDinf_{self.extractor.identity.name}"

    def measure(self, clips: Sequence[Gathered]) -> SetValue:
        sounds, references = self.rows(clips)

        def statistic(chosen: Chosen) -> float:
            return frechet_infinity(*(stacked([rows[i] for i in chosen]) for rows in (sounds, references)))

        return SetValue(statistic, note="extrapolated")


@dataclass(frozen=True)
class Kernel(Distance):
    """KID_{embedding}: no bias for small sets."""

    @property
    def name(self) -> str:
        return f"KID_{self.extractor.identity.name}"

    def measure(self, clips: Sequence[Gathered]) -> SetValue:
        sounds, references = self.rows(clips)

        def statistic(chosen: Chosen) -> float:
            x, y = (stacked([rows[i] for i in chosen]) for rows in (sounds, references))
            return kernel_distance(x, y, subsets=1 if max(len(x), len(y)) <= 1000 else 100).mean

        return SetValue(statistic, note="kernel (x.y/D + 1)^3")


@dataclass(frozen=True)
class Divergence:
    """KL_{embedding}: nats by which the classes heard differ from those of the same clip's reference."""

    extractor: SoundExtractor
    unit: ClassVar[str] = "nats"
    better: ClassVar[Better] = "lower"

    @property
    def name(self) -> str:
        return f"KL_{self.extractor.identity.name}"

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.extractor, "reference": self.extractor}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        true = np.stack(column(clips, "reference", self.extractor, POSTERIORS))
        return ClipValues(kl_divergence(true, np.stack(column(clips, "sound", self.extractor, POSTERIORS))))


@dataclass(frozen=True)
class Inception:
    """IS_{embedding}: each sound clear, all together varied."""

    extractor: SoundExtractor
    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"

    @property
    def name(self) -> str:
        return f"IS_{self.extractor.identity.name}"

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.extractor}

    def measure(self, clips: Sequence[Gathered]) -> SetValue:
        posteriors = np.stack(column(clips, "sound", self.extractor, POSTERIORS))
        found = inception_score(posteriors)
        return SetValue(
            lambda chosen: inception_score(posteriors[chosen]).mean,
            note=f"10 splits of {len(clips) // 10}, std {found.std:.3f}",
        )


@dataclass(frozen=True)
class Loudness:
    """How loud the sounds are; neither more nor less is better, but systems must not differ."""

    name: ClassVar[str] = "loudness"
    unit: ClassVar[str] = "LUFS"
    better: ClassVar[Better] = ""
    extractor: Basics = field(default_factory=Basics)

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.extractor}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        values = np.array(column(clips, "sound", self.extractor, "lufs"))
        return scored(np.where(np.isinf(values), np.nan, values), "silence has no loudness")


@dataclass(frozen=True)
class ProxyQuality:
    """Technical defects, without a learned judge."""

    name: ClassVar[str] = "proxy_quality"
    unit: ClassVar[str] = "0 to 1"
    better: ClassVar[Better] = "higher"
    extractor: Defects = field(default_factory=Defects)

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.extractor}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        return ClipValues(np.array(column(clips, "sound", self.extractor, "mark")))


@dataclass(frozen=True)
class ProxySync:
    """Onsets against motion: (2 - |offset|) / 4 times how sure it is."""

    name: ClassVar[str] = "proxy_sync"
    unit: ClassVar[str] = "0 to 0.5"
    better: ClassVar[Better] = "higher"
    onsets: Onsets = field(default_factory=Onsets)
    motion: Motion = field(default_factory=Motion)

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.onsets, "video": self.motion}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        pairs = zip(
            column(clips, "sound", self.onsets, "curve"),
            column(clips, "video", self.motion, "curve"),
            strict=True,
        )
        return ClipValues(np.array([synchrony(onsets, motion).score for onsets, motion in pairs]))


@dataclass(frozen=True)
class ProxySpatial:
    """Time and level difference between the ears against those of the reference; mono references are left out."""

    name: ClassVar[str] = "proxy_spatial"
    unit: ClassVar[str] = "0 to 1"
    better: ClassVar[Better] = "higher"
    extractor: Interaural = field(default_factory=Interaural)

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.extractor, "reference": self.extractor}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        widths = np.array(column(clips, "reference", self.extractor, "width_db"))
        values = [agreement(self._ears(clip, "sound"), self._ears(clip, "reference")) for clip in clips]
        return scored(np.where(widths > NARROWEST, values, np.nan), "its reference is mono, or one is silent")

    def _ears(self, clip: Gathered, role: Role) -> Ears:
        return kept_ears(clip.features[role, self.extractor.identity.name])


@dataclass(frozen=True)
class ProxySpatialMotion:
    """Where it sounds against where things move; needs no reference."""

    name: ClassVar[str] = "proxy_spatial_motion"
    unit: ClassVar[str] = "0 to 1"
    better: ClassVar[Better] = "higher"
    extractor: Interaural = field(default_factory=Interaural)
    motion: Motion = field(default_factory=Motion)

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.extractor, "video": self.motion}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        values = []
        for clip in clips:
            seen = clip.features["video", self.motion.identity.name]
            movement = Movement(seen["azimuths"].numpy(), seen["energy"].numpy(), float(seen["residual"]))
            ears = kept_ears(clip.features["sound", self.extractor.identity.name])
            values.append(agreement_with_picture(ears, movement, FPS))
        return scored(np.array(values), "silence, stillness, or only the camera moves")


def kept_ears(kept: Tensors) -> Ears:
    """As `proxy_spatial.ears_of` gave it."""

    def series(tensor: Tensor) -> NDArray[np.float64]:
        return tensor.double().numpy()

    return Ears(*(series(kept[name]) for name in Ears._fields))


def scored(values: NDArray[np.float64], reason: str) -> ClipValues:
    """With the reason wherever there is no value."""
    return ClipValues(values, tuple(reason if np.isnan(value) else "" for value in values))
