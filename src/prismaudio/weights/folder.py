"""The folder of a published model: which files make it up, in the authors' layout or in ours, and loading them.

Ours (`prismaudio convert`) is what users of model hubs expect: config.json, which says the size, and safetensors.
Either may also hold the two encoders that others published, as folders of the `transformers` library.
"""

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from prismaudio.config import Config
from prismaudio.errors import PrismAudioError
from prismaudio.models.checkpoints import PrismAudioModel, load_any_size, load_weights
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.oobleck import OobleckVAE
from prismaudio.weights.layout import CONFIG, NAMES, T5GEMMA_FOLDER, VIDEOPRISM_FOLDER, Layout
from prismaudio.weights.layout import HUB_FILES as HUB_FILES

CKPTS = "ckpts"  # where the authors' program keeps its files
NAMES_SHOWN = 8


class WeightsFolderError(PrismAudioError):
    """A folder that holds no published model, or not all of it."""


class PublishedFiles(NamedTuple):
    """Where the parts of a published model are. The authors' `model` holds a codec too, which `vae` replaces."""

    folder: Path
    layout: Layout
    model: Path
    vae: Path | None
    synchformer: Path | None
    videoprism: Path | None  # a folder
    t5gemma: Path | None  # a folder


class TransformerConfig(Config):
    """The arguments of `ConditionedDiT`."""

    latent_channels: int
    width: int
    depth: int
    heads: int
    video_dim: int
    text_dim: int
    sync_dim: int


class CodecConfig(Config):
    """The arguments of `OobleckVAE`."""

    audio_channels: int
    channels: int
    multipliers: tuple[int, ...]
    strides: tuple[int, ...]
    latent_channels: int
    sample_rate: int


class SynchformerConfig(Config):
    """The arguments of `Motionformer`."""

    width: int
    depth: int
    heads: int
    patch: int
    grid: int
    frames: int


class SourceFile(Config):
    """A file that others published."""

    name: str
    bytes: int
    sha256: str


class FolderConfig(Config):
    """What config.json says of a converted folder: every size, and where it came from."""

    model_type: Literal["prismaudio"] = "prismaudio"
    format: Literal[1] = 1
    dtype: Literal["float32", "bfloat16", "float16"]  # of transformer and Synchformer; the codec is float32
    transformer: TransformerConfig
    codec: CodecConfig
    synchformer: SynchformerConfig | None
    sources: tuple[SourceFile, ...]
    converted_by: str


def find_files(folder: Path) -> PublishedFiles:
    """What `folder` holds of a published model. Files are found by name; they are read when they are loaded."""
    if not folder.is_dir():
        raise WeightsFolderError(
            f"no folder of weights at {folder}; check the path or run 'prismaudio download'"
        )
    for inside, layout in (
        (folder, Layout.AUTHORS),
        (folder / CKPTS, Layout.AUTHORS),
        (folder, Layout.CONVERTED),
    ):
        names = NAMES[layout]
        if (inside / names.model).is_file() and (layout == Layout.AUTHORS or _is_ours(folder)):
            return PublishedFiles(
                folder=folder,
                layout=layout,
                model=inside / names.model,
                vae=_if_file(inside / names.vae),
                synchformer=_if_file(inside / names.synchformer),
                videoprism=_if_model(folder / VIDEOPRISM_FOLDER),
                t5gemma=_if_model(folder / T5GEMMA_FOLDER),
            )
    raise WeightsFolderError(
        f"{folder} holds no published model, only {_content(folder)}; expected {NAMES[Layout.AUTHORS].model} "
        f"(the authors' files) or {CONFIG} with {NAMES[Layout.CONVERTED].model} (from 'prismaudio convert')"
    )


def load_generator(files: PublishedFiles, dtype: torch.dtype = torch.float32) -> PrismAudioModel:
    """Transformer, in `dtype`, and codec, in float32, for inference on the CPU; strict, and any size."""
    if files.layout == Layout.AUTHORS:
        built = load_any_size(files.model, files.vae, dtype)
    else:
        built = load_converted(files, dtype)
    built.model.requires_grad_(False)
    built.vae.requires_grad_(False)
    return built


def load_converted(files: PublishedFiles, dtype: torch.dtype) -> PrismAudioModel:
    """From a folder that `prismaudio convert` wrote."""
    if files.vae is None:
        raise WeightsFolderError(
            f"{files.folder} lacks {NAMES[Layout.CONVERTED].vae}; convert or download it again"
        )
    config = read_config(files.folder)
    with torch.device("meta"):
        model = ConditionedDiT(**config.transformer.model_dump()).to(dtype)
        vae = OobleckVAE(**config.codec.model_dump())
    load_weights(files.model, model)
    load_weights(files.vae, vae)
    return PrismAudioModel(model.eval(), vae.eval())


def read_config(folder: Path) -> FolderConfig:
    """config.json of a converted folder, checked."""
    return FolderConfig.parse(_read_json(folder / CONFIG), source=str(folder / CONFIG))


def _is_ours(folder: Path) -> bool:
    """Whether config.json is that of a PrismAudio model, and not of the many other models that have one."""
    if not (folder / CONFIG).is_file():
        return False
    kind = _read_json(folder / CONFIG).get("model_type")
    if kind != "prismaudio":
        raise WeightsFolderError(
            f"{folder} holds a model of type {kind!r}, not 'prismaudio'; give the folder of the generator"
        )
    return True


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsFolderError(f"{path} cannot be read ({error}); convert or download it again") from error
    if not isinstance(content, dict):
        raise WeightsFolderError(f"{path} is not the config of a model; convert or download it again")
    return content


def _if_file(path: Path) -> Path | None:
    return path if path.is_file() else None


def _if_model(folder: Path) -> Path | None:
    return folder if (folder / CONFIG).is_file() or any(folder.glob("*.npz")) else None


def _content(folder: Path) -> str:
    """The names in a folder, or the first of them."""
    names = sorted(path.name for path in folder.iterdir())
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return (", ".join(names[:NAMES_SHOWN]) or "nothing") + more
