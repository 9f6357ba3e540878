"""The metrics of single clips that judges give, and FSAD; judges themselves are asked in `hearings`.

Shapes: N clips, G groups of windows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from prismaudio.backends.embedded.interaural import NARROWEST
from prismaudio.backends.extractor import (
    Extractor,
    FilmExtractor,
    PictureExtractor,
    SoundExtractor,
    Tensors,
    TextExtractor,
)
from prismaudio.evaluation.metrics.frechet import frechet_distance
from prismaudio.evaluation.suite.metric import Better, Chosen, ClipValues, Gathered, Role, SetValue
from prismaudio.models.interaural import squared_error

MILLI = 1e3  # FSAD is printed in thousandths
Known = Mapping[Role, Tensors]  # what was extracted of one clip


def per_clip(
    clips: Sequence[Gathered],
    extracts: Mapping[Role, Extractor],
    value: Callable[[Known], Tensor | float],
    silent: str = "",
) -> ClipValues:
    """`value` of every clip; nan where an extractor can say nothing, with its reason; `silent` is why `value` is nan."""
    keys = {role: (role, extractor.identity.name) for role, extractor in extracts.items()}
    values, reasons = [], []
    for clip in clips:
        unjudged = [clip.unjudged[key] for key in keys.values() if key in clip.unjudged]
        number = (
            np.nan if unjudged else float(value({role: clip.features[key] for role, key in keys.items()}))
        )
        values.append(number)
        reasons.append(unjudged[0] if unjudged else silent * bool(np.isnan(number)))
    return ClipValues(np.array(values), tuple(reasons))


@dataclass(frozen=True)
class Agreement:
    """Cosine of a sound and its text."""

    name: str
    heard: SoundExtractor
    read: TextExtractor
    unit: ClassVar[str] = "cosine"
    better: ClassVar[Better] = "higher"

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.heard, "text": self.read}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        """Texts whose end was not read are named in the note."""
        found = per_clip(clips, self.extracts, cosine)
        key: tuple[Role, str] = ("text", self.read.identity.name)
        cut = [clip.name for clip in clips if key in clip.features and bool(clip.features[key]["truncated"])]
        return found._replace(note=f"the end of {len(cut)} texts was not read: {cut[0]} ..." if cut else "")


@dataclass(frozen=True)
class SeenAgreement:
    """Cosine of a sound and its film."""

    name: str
    heard: SoundExtractor
    seen: PictureExtractor
    unit: ClassVar[str] = "cosine"
    better: ClassVar[Better] = "higher"

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.heard, "video": self.seen}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        return per_clip(clips, self.extracts, cosine)


def cosine(known: Known) -> float:
    """Of two embeddings of length 1."""
    one, other = (tensors["embedding"].double() for tensors in known.values())
    return float(one @ other)


@dataclass(frozen=True)
class Offset:
    """Seconds by which sound and picture are apart: DeSync, if Synchformer says it (spec rewards.md 1.2)."""

    name: str
    extractor: FilmExtractor
    unit: ClassVar[str] = "s, 0 to 2"
    better: ClassVar[Better] = "lower"

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"film": self.extractor}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        return per_clip(clips, self.extracts, lambda known: known["film"]["desync"])


@dataclass(frozen=True)
class Axis:
    """One of the marks that a judge of quality gives."""

    name: str
    extractor: SoundExtractor
    axis: str
    unit: str
    better: Better = "higher"

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.extractor}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        return per_clip(clips, self.extracts, lambda known: known["sound"][self.axis])


@dataclass(frozen=True)
class SeenPlace:
    """Does it sound where it is seen?"""

    name: str
    extractor: FilmExtractor
    unit: ClassVar[str] = "0 to 1"
    better: ClassVar[Better] = "higher"

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"film": self.extractor}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        return per_clip(
            clips, self.extracts, lambda known: known["film"]["agreement"], "nothing that is seen sounds"
        )


@dataclass(frozen=True)
class DelayError:
    """Squared error of the mean delay between the ears, against the reference; mono references are left out."""

    name: str
    extractor: SoundExtractor
    unit: ClassVar[str] = "1e-3 ms^2"
    better: ClassVar[Better] = "lower"

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.extractor, "reference": self.extractor}

    def measure(self, clips: Sequence[Gathered]) -> ClipValues:
        return per_clip(clips, self.extracts, delay_error, "its reference is mono, or one is silent")


def delay_error(known: Known) -> float:
    """In 1e-3 ms^2 (spec rewards.md 1.4); nan if the reference is mono."""
    if not known["reference"]["width_db"] > NARROWEST:
        return float("nan")
    sound, reference = (known[role]["delay"].double()[None] for role in ("sound", "reference"))
    return float(squared_error(sound, reference))


@dataclass(frozen=True)
class SpatialDistance:
    """FSAD: 1000 times the Frechet distance between the courses of delays of sounds and references.

    One row a clip: delays in seconds, pooled to 256 places and averaged over five windows, one after the other
    (spec rewards.md 1.4; the published figure of 0.23 is reached in seconds only). Clips are cut to the shortest course.
    """

    name: str
    extractor: SoundExtractor
    allow_small: bool = False
    unit: ClassVar[str] = "1e-3 s^2"
    better: ClassVar[Better] = "lower"

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        return {"sound": self.extractor, "reference": self.extractor}

    def measure(self, clips: Sequence[Gathered]) -> SetValue:
        """Refuses fewer clips than numbers in a row, unless small sets are allowed."""
        sounds, references = self._courses(clips, "sound"), self._courses(clips, "reference")
        groups = min(len(row) for row in (*sounds, *references))
        x, y = (np.stack([row[:groups].ravel() for row in rows]) for rows in (sounds, references))
        frechet_distance(x, y, allow_small=self.allow_small)

        def statistic(chosen: Chosen) -> float:
            return MILLI * frechet_distance(x[chosen], y[chosen], allow_small=True)

        return SetValue(statistic, note=f"D {x.shape[1]}, the first {groups / 2:g} s")

    def _courses(self, clips: Sequence[Gathered], role: Role) -> list[NDArray[np.float64]]:
        """(G, places) of every clip"""
        key = (role, self.extractor.identity.name)
        return [clip.features[key]["course"].double().numpy() for clip in clips]
