"""What the pipeline needs of a model, whatever its size: eyes, thoughts, a transformer, a codec.

Shapes: W windows.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple, Protocol

from prismaudio.data.features import ClipFeatures
from prismaudio.dimensions.arms import Arm
from prismaudio.dimensions.plan import Plan
from prismaudio.generation.engine import Engine
from prismaudio.generation.long import Layout
from prismaudio.generation.mastering import Mastered, Take
from prismaudio.generation.options import Options
from prismaudio.generation.pictures import Film
from prismaudio.models.codec import Codec
from prismaudio.models.conditioning import Features
from prismaudio.models.dit import ConditionedDiT, Prepared
from prismaudio.planning.evidence import Evidence
from prismaudio.stages import Report


class Clip(NamedTuple):
    """How much of a film is wanted, and whether moments and places are to be measured in it."""

    seconds: float
    layout: Layout  # of its one sound
    measuring: bool = True  # False where a plan is given, or its planner needs no measurements


class Wording(NamedTuple):
    """How a plan is put into words."""

    caption: str | None = None  # to be read as it is, instead of the plan
    arm: Arm = Arm.DECOMPOSED  # how much of the plan is told, and in what order
    seed: int = 0  # of the random arm


class Model(Protocol):
    """A generator with everything that was made for it."""

    @property
    def name(self) -> str: ...

    @property
    def guidance(self) -> float:
        """The scale it is best at."""
        ...

    @property
    def dit(self) -> ConditionedDiT: ...

    @property
    def codec(self) -> Codec: ...

    @property
    def piece(self) -> int:
        """Latent frames that the codec decodes at a time."""
        ...

    def arrange(self, engine: Engine) -> None:
        """Bring the networks to where, and into the numbers in which, they will run."""
        ...

    def at_work(self, stage: Literal["transformer", "decoder"]) -> AbstractContextManager[None]:
        """Have the network of that stage where it runs, for the length of the block."""
        ...

    def frames(self, seconds: float) -> int:
        """Latent frames of a sound for so many seconds of picture."""
        ...

    def watch(self, film: Film, clip: Clip, report: Report) -> Any:
        """Perceive the film once; what is seen is understood by the model itself."""
        ...

    def measure(self, seen: Any, seconds: float) -> Evidence:
        """What was perceived, for a planner to make its thoughts of; only of a film watched with `Clip.measuring`."""
        ...

    def tell(self, plan: Plan, seen: Any | None, layout: Layout, wording: Wording) -> Sequence[ClipFeatures]:
        """What the transformer is told of every window of one sound: W of them. `seen` None: of the plan alone."""
        ...

    def prepare(self, features: Features, frames: int) -> Prepared:
        """The conditions of a batch of windows of so many latent frames, ready for every step of the sampler."""
        ...

    def master(self, takes: Sequence[Take], options: Options) -> list[Mastered]:
        """What is handed over of what the codec played; takes of one batch together."""
        ...

    def backends(self) -> dict[str, str]:
        """What for -> the model that does it."""
        ...


def covering(seconds: float, frame_seconds: float) -> int:
    """As few latent frames as are at least so long."""
    whole = int(seconds / frame_seconds)
    return max(1, whole + (seconds - whole * frame_seconds > 1e-6))


def seconds_of(codec: Codec) -> float:
    """How long a latent frame sounds."""
    return codec.hop / codec.sample_rate
