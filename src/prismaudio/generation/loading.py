"""The embedded model, ready to run: every network of it, from the weights that ship in this package."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.backends.embedded.text import WordTable
from prismaudio.backends.embedded.vision import ImageNetwork, Projection, VisionEncoder
from prismaudio.models.checkpoints import load_weights, read_config
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.mel_codec import MelStereoCodec
from prismaudio.planning.embedded import EmbeddedPlanner, PlannerNetwork


@dataclass(frozen=True)
class EmbeddedModel:
    """Perception, planner, transformer and codec that were trained together."""

    motion: MotionEncoder
    vision: VisionEncoder
    words: WordTable
    planner: EmbeddedPlanner
    dit: ConditionedDiT
    codec: MelStereoCodec


def assets() -> Path:
    """The folder of shipped weights and clips."""
    return Path(str(files("prismaudio"))) / "assets"


def load_embedded(folder: Path | None = None) -> EmbeddedModel:
    """Load every part from `folder` (default: the weights in the package)."""
    folder = folder or assets()
    network = ImageNetwork()
    planner_network = PlannerNetwork()
    load_weights(folder / "planner.safetensors", planner_network)
    projection = Projection()
    load_weights(folder / "vision.safetensors", projection)
    vision = VisionEncoder(network, projection.eval())
    return EmbeddedModel(
        motion=MotionEncoder(),
        vision=vision,
        words=WordTable(),
        planner=EmbeddedPlanner(planner_network.eval()),
        dit=load_dit(folder / "dit.safetensors"),
        codec=load_codec(folder / "codec.safetensors"),
    )


def load_codec(path: Path) -> MelStereoCodec:
    codec = MelStereoCodec(**read_config(path))
    load_weights(path, codec)
    return codec.eval().requires_grad_(False)


def load_dit(path: Path) -> ConditionedDiT:
    dit = ConditionedDiT(**read_config(path))
    load_weights(path, dit)
    return dit.eval().requires_grad_(False)
