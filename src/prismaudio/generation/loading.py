"""From a name to a model that can run: which size, which files, which processor."""

from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, PositiveFloat

from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.backends.embedded.recogniser import Looker, Recogniser
from prismaudio.backends.embedded.text import WordTable
from prismaudio.backends.embedded.vision import ImageNetwork, Projection, VisionEncoder
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.config import Config
from prismaudio.errors import PrismAudioError
from prismaudio.generation.embedded import GUIDANCE, EmbeddedModel
from prismaudio.generation.encoders import Sources, load_encoders
from prismaudio.generation.engine import Engine, choose_engine, released_engine
from prismaudio.generation.fit import Fit, NothingToLimit, fitted
from prismaudio.generation.model import Model
from prismaudio.generation.published import PublishedModel
from prismaudio.generation.watch import Eyes
from prismaudio.models.checkpoints import load_weights, read_config, read_guidance
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.mel_codec import MelStereoCodec
from prismaudio.planning.embedded import EmbeddedPlanner
from prismaudio.planning.glance import Glance
from prismaudio.planning.motion_reader import MotionReader
from prismaudio.stages import Progress
from prismaudio.weights.folder import HUB_FILES, find_files, load_generator

EMBEDDED = "embedded"
EMBEDDED_FILE = "dit.safetensors"  # by which a folder of embedded weights is known
MOTION_READER, GLANCE = "motion_reader.safetensors", "glance.safetensors"
RECOGNISER = "recogniser.safetensors"


class Loading(Config):
    """How a model is loaded, and how it will run."""

    device: str = "auto"
    dtype: str = "auto"
    engine: str = "auto"
    memory: PositiveFloat | None = Field(None, description="GiB of device memory to stay under")
    reproduce_release: bool = False
    text_style: Literal["tagged", "plain"] = "tagged"
    video_encoder: str | None = None  # of the published model: a folder, an .npz, a model on the hub
    text_encoder: str | None = None


class NotReleased(PrismAudioError):
    """The embedded model was asked to behave as the authors' program."""


class Loaded(NamedTuple):
    """Ready to be made a `VideoToAudio`."""

    model: Model
    engine: Engine


def load(name: str, choices: Loading, progress: Progress | None = None) -> Loaded:
    """The model called `name`, see `VideoToAudio.from_pretrained`; `progress` hears of downloads."""
    folder = None if name == EMBEDDED else Path(name)
    if folder is None or (folder / EMBEDDED_FILE).is_file():
        if choices.memory is not None:
            raise NothingToLimit("the embedded model needs about 1 GiB wherever it runs; leave --memory out")
        if choices.reproduce_release:
            raise NotReleased(
                "only the published model can reproduce the release; give its folder with --model"
            )
        engine = choose_engine(choices.device, choices.dtype, choices.engine)
        return Loaded(load_embedded(folder), engine)
    if choices.reproduce_release:
        engine = released_engine(choices.device)
    else:
        engine = choose_engine(choices.device, choices.dtype, choices.engine)
    engine, fit = fitted(engine, choices.memory)
    return Loaded(load_published(name, choices, engine, fit, progress), engine)


def assets() -> Path:
    """The folder of shipped weights and clips."""
    return Path(str(files("prismaudio"))) / "assets"


def load_embedded(folder: Path | None = None) -> EmbeddedModel:
    """Load every part from `folder` (default: the weights in the package)."""
    folder = folder or assets()
    return EmbeddedModel(
        eyes=load_eyes(folder),
        words=WordTable(),
        perception=load_perception(folder),
        dit=load_dit(folder / EMBEDDED_FILE),
        codec=load_codec(folder / "codec.safetensors"),
        guidance=read_guidance(folder / EMBEDDED_FILE, GUIDANCE),
    )


def load_published(
    name: str, choices: Loading, engine: Engine, fit: Fit, progress: Progress | None = None
) -> PublishedModel:
    """The published model from a folder or the hub, with its encoders; the embedded networks measure what moves."""
    found = find_files(resolve(name, (), HUB_FILES, progress))
    generator = load_generator(found, engine.dtype)
    return PublishedModel(
        dit=generator.model,
        codec=generator.vae,
        encoders=load_encoders(
            found, engine, fit, Sources(choices.video_encoder, choices.text_encoder, progress)
        ),
        eyes=load_eyes(assets()),
        perception=load_perception(assets()),
        fit=fit,
        style=choices.text_style,
        released=choices.reproduce_release,
    )


def load_eyes(folder: Path) -> Eyes:
    projection = Projection()
    load_weights(folder / "vision.safetensors", projection)
    recogniser = Recogniser(len(VOCABULARY))
    load_weights(folder / RECOGNISER, recogniser)
    network = ImageNetwork()
    return Eyes(
        MotionEncoder(), VisionEncoder(network, projection.eval()), Looker(network, recogniser.eval())
    )


def load_perception(folder: Path) -> EmbeddedPlanner:
    return EmbeddedPlanner(load_motion_reader(folder), load_glance(folder))


def load_motion_reader(folder: Path) -> MotionReader:
    path = folder / MOTION_READER
    reader = MotionReader(**read_config(path))
    load_weights(path, reader)
    return reader.eval()


def load_glance(folder: Path) -> Glance:
    glance = Glance(len(VOCABULARY))
    load_weights(folder / GLANCE, glance)
    return glance.eval()


def load_codec(path: Path) -> MelStereoCodec:
    codec = MelStereoCodec(**read_config(path))
    load_weights(path, codec)
    return codec.eval().requires_grad_(False)


def load_dit(path: Path) -> ConditionedDiT:
    dit = ConditionedDiT(**read_config(path))
    load_weights(path, dit)
    return dit.eval().requires_grad_(False)
