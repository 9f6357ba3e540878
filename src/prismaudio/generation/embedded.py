"""The embedded model: small networks that were trained together and ship in this package.

Shapes: W windows.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import ClassVar

from prismaudio.backends.embedded.text import WordTable
from prismaudio.data.features import ClipFeatures, describe
from prismaudio.dimensions.arms import tell
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.window import window
from prismaudio.generation.engine import Engine
from prismaudio.generation.long import Layout
from prismaudio.generation.mastering import Mastered, Take, levelled
from prismaudio.generation.model import Clip, Wording, covering, seconds_of
from prismaudio.generation.options import Options
from prismaudio.generation.pictures import Film
from prismaudio.generation.watch import Eyes, Seen, measured, watch
from prismaudio.models.conditioning import Features
from prismaudio.models.dit import ConditionedDiT, Prepared
from prismaudio.models.mel_codec import MelStereoCodec
from prismaudio.planning.embedded import EmbeddedPlanner
from prismaudio.planning.evidence import Evidence
from prismaudio.stages import Report

MOTION_FPS = 25
PICTURE_FPS = 4
GUIDANCE = 4.0  # of the weights that training makes; post-training may have made them best at another


@dataclass(frozen=True)
class EmbeddedModel:
    """A `Model`: the transformer is told the plan drawn over time, beside what moved."""

    eyes: Eyes
    words: WordTable
    perception: EmbeddedPlanner
    dit: ConditionedDiT
    codec: MelStereoCodec
    guidance: float = GUIDANCE

    name: ClassVar[str] = "embedded"
    piece: ClassVar[int] = 512  # 24 s, about 0.5 GB on the way

    def arrange(self, engine: Engine) -> None:
        """The codec computes spectra, in float32 and complex numbers, which Apple's processor does not have."""
        self.dit.to(engine.device, engine.dtype)
        self.codec.to("cpu" if engine.device.type == "mps" else engine.device)

    def at_work(self, stage: str) -> AbstractContextManager[None]:
        """It is small enough to stay."""
        return nullcontext()

    def frames(self, seconds: float) -> int:
        return covering(seconds, seconds_of(self.codec))

    def watch(self, film: Film, clip: Clip, report: Report) -> Seen:
        return watch(film, self.eyes, clip.seconds, report)

    def measure(self, seen: Seen, seconds: float) -> Evidence:
        return measured(self.perception, seen, seconds)

    def tell(self, plan: Plan, seen: Seen | None, layout: Layout, wording: Wording) -> Sequence[ClipFeatures]:
        frame = seconds_of(self.codec)
        return [
            self._tell(plan, seen, start * frame, layout.width * frame, wording)
            for _, start in layout.windows
        ]

    def prepare(self, features: Features, frames: int) -> Prepared:
        return self.dit.prepare(features, frames)

    def master(self, takes: Sequence[Take], options: Options) -> list[Mastered]:
        return levelled(takes, options)

    def backends(self) -> dict[str, str]:
        return {
            "picture": self.eyes.vision.name,
            "motion": self.eyes.motion.name,
            "words": self.words.name,
            "generator": "embedded-dit",
            "codec": "embedded-mel-stereo",
        }

    def _tell(
        self, plan: Plan, seen: Seen | None, start: float, seconds: float, wording: Wording
    ) -> ClipFeatures:
        """Cut as the scenes of training were."""
        text, numbers = tell(window(plan, start, seconds), wording.arm, wording.seed)
        text = wording.caption or text
        if seen is None:
            return describe(seconds, numbers, None, None, self.words, text)
        first, last = round(start * PICTURE_FPS), round((start + seconds) * PICTURE_FPS)
        video = seen.video[first : max(last, first + 1)]
        motion = seen.motion[round(start * MOTION_FPS) : round((start + seconds) * MOTION_FPS) + 1]
        return describe(seconds, numbers, video, motion, self.words, text)
