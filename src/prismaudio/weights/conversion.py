"""From the authors' files to a folder as users of model hubs expect: config, safetensors, a model card.

The files are mapped rather than read, so memory holds what is computed anew and no more.
"""

import json
import math
from collections.abc import Collection, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from prismaudio.backends.pretrained.digest import sha256
from prismaudio.backends.pretrained.synchformer import published_name
from prismaudio.errors import CannotWrite
from prismaudio.models.checkpoints import (
    CheckpointError,
    check_fit,
    read_sizes,
    read_tensors,
    save_tensors,
)
from prismaudio.models.motionformer import FRAMES_PER_INSTANT, Motionformer
from prismaudio.stages import Progress
from prismaudio.types import DTYPES
from prismaudio.weights.assembly import assembling
from prismaudio.weights.assembly import check as check_target
from prismaudio.weights.card import model_card
from prismaudio.weights.folder import (
    CodecConfig,
    FolderConfig,
    PublishedFiles,
    SourceFile,
    SynchformerConfig,
    TransformerConfig,
    load_generator,
    read_config,
)
from prismaudio.weights.layout import CONFIG, NAMES, Layout

VISUAL = "vfeat_extractor."  # what the names of the half that sees start with
UNUSED = f"{VISUAL}patch_embed."  # kept in the file, which others may read strictly
CARD = "README.md"
WRITTEN = (CONFIG, CARD, *NAMES[Layout.CONVERTED])
METADATA = {"format": "pt"}  # one entry: their order is not kept, and equal weights should make equal files
HEAD_WIDTH = 64  # of Synchformer's attention, at any size: no tensor tells it


def convert_folder(
    files: PublishedFiles, out: Path, dtype: str, *, force: bool, progress: Progress
) -> FolderConfig:
    """Write the folder `out`, whole or not at all. `dtype` names the numbers of transformer and Synchformer.

    The codec stays in float32, in which it always computes.
    """
    replaceable = is_converted(out)
    if out.exists() and out.samefile(files.folder):
        raise CannotWrite(out, "it is the folder to be converted", "give another name")
    check_target(out, force=force, replaceable=replaceable)
    transformer, codec = sizes_of(files)
    with assembling(out, force=force, replaceable=replaceable) as folder:
        synchformer = None
        if files.synchformer is not None:
            synchformer = convert_synchformer(
                files.synchformer, folder / NAMES[Layout.CONVERTED].synchformer, DTYPES[dtype], progress
            )
        convert_generator(files, folder, DTYPES[dtype], progress)
        config = FolderConfig.model_validate(
            {
                "dtype": dtype,
                "transformer": transformer,
                "codec": codec,
                "synchformer": synchformer,
                "sources": sources_of(files, progress),
                "converted_by": f"prismaudio {version('prismaudio')}",
            }
        )
        (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / CARD).write_text(model_card(config), encoding="utf-8")
    return config


def convert_videoprism(npz: Path, out: Path, dtype: str, *, force: bool, progress: Progress) -> None:
    """The video tower of VideoPrism, from the .npz its makers publish to a folder of the transformers library."""
    from prismaudio.backends.pretrained.videoprism import load_npz

    replaceable = is_converted(out, "videoprism_vision_model", (CONFIG, "model.safetensors"))
    check_target(out, force=force, replaceable=replaceable)
    with assembling(out, force=force, replaceable=replaceable) as folder:
        progress(npz.name, 0.0)
        network = load_npz(npz, DTYPES[dtype])
        check_finite(network.state_dict(), npz, DTYPES[dtype])
        config = network.config
        if network.head.q_proj.out_features != config.intermediate_size:
            raise CheckpointError(
                f"{npz}: its pooler is not as wide as its blocks' feed-forward, which the transformers library "
                "cannot express; use the .npz itself"
            )
        config.architectures, config.dtype = [type(network).__name__], DTYPES[dtype]
        config.save_pretrained(folder)
        save_tensors(folder / "model.safetensors", network.state_dict(), METADATA)
        progress(npz.name, 1.0)


def convert_generator(files: PublishedFiles, folder: Path, dtype: torch.dtype, progress: Progress) -> None:
    """Transformer and codec, with folded weights."""
    names = NAMES[Layout.CONVERTED]
    progress(names.model, 0.0)
    built = load_generator(files, dtype)
    check_finite(built.model.state_dict(), files.model, dtype)
    save_tensors(folder / names.model, built.model.state_dict(), METADATA)
    progress(names.model, 1.0)
    progress(names.vae, 0.0)
    check_finite(built.vae.state_dict(), files.vae or files.model, torch.float32)
    save_tensors(folder / names.vae, built.vae.state_dict(), METADATA)
    progress(names.vae, 1.0)


def convert_synchformer(
    path: Path, target: Path, dtype: torch.dtype, progress: Progress
) -> SynchformerConfig:
    """The half that sees, under its published names: whoever reads the whole file reads this one."""
    progress(target.name, 0.0)
    state = {name: tensor for name, tensor in read_tensors(path).items() if name.startswith(VISUAL)}
    config = synchformer_size(state, path)
    with torch.device("meta"):
        network = Motionformer(**config.model_dump())
    expected = {published_name(name): tensor.shape for name, tensor in network.state_dict().items()}
    read = {name: tensor for name, tensor in state.items() if not name.startswith(UNUSED)}
    check_fit(read, expected, path)
    state = {name: tensor.to(dtype) for name, tensor in state.items()}
    check_finite(state, path, dtype)
    save_tensors(target, state, METADATA)
    progress(target.name, 1.0)
    return config


def synchformer_size(state: Mapping[str, Tensor], path: Path) -> SynchformerConfig:
    """Read off the shapes of some tensors."""
    try:
        width, _, _, patch, _ = state[f"{VISUAL}patch_embed_3d.proj.weight"].shape
        patches = state[f"{VISUAL}pos_embed"].shape[1] - 1
        instants = state[f"{VISUAL}temp_embed"].shape[1]
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"{path} is no Synchformer: its size cannot be read off it ({error}); give synchformer_state_dict.pth"
        ) from error
    blocks = {
        name.removeprefix(VISUAL).split(".")[1] for name in state if name.startswith(f"{VISUAL}blocks.")
    }
    return SynchformerConfig(
        width=width,
        depth=len(blocks),
        heads=width // HEAD_WIDTH,
        patch=patch,
        grid=math.isqrt(patches),
        frames=instants * FRAMES_PER_INSTANT,
    )


def sizes_of(files: PublishedFiles) -> tuple[TransformerConfig, CodecConfig]:
    """The constructor arguments of the two networks in these files."""
    if files.layout == Layout.CONVERTED:
        config = read_config(files.folder)
        return config.transformer, config.codec
    transformer, codec = read_sizes(files.model)
    return TransformerConfig(**transformer), CodecConfig.model_validate(codec)


def sources_of(files: PublishedFiles, progress: Progress) -> tuple[SourceFile, ...]:
    """What others published and this is made from, with digests."""
    if files.layout == Layout.CONVERTED:
        return read_config(files.folder).sources
    paths = [path for path in (files.model, files.vae, files.synchformer) if path is not None]
    return tuple(
        SourceFile(
            name=path.name,
            bytes=path.stat().st_size,
            sha256=sha256(path, partial(progress, f"check {path.name}")),
        )
        for path in paths
    )


def check_finite(state: Mapping[str, Tensor], path: Path, dtype: torch.dtype) -> None:
    """Raise if a number is none, as large ones become in float16."""
    for name, tensor in state.items():
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(
                f"{path}: {name} is not finite in {str(dtype).removeprefix('torch.')}; use --dtype bfloat16 or float32"
            )


def is_converted(out: Path, kind: str = "prismaudio", files: Collection[str] = WRITTEN) -> bool:
    """Whether `out` holds a converted model and nothing else, so that another may take its place."""
    try:
        config = json.loads((out / CONFIG).read_text(encoding="utf-8"))
        return config["model_type"] == kind and {path.name for path in out.iterdir()} <= {*files}
    except (OSError, ValueError, KeyError, TypeError):
        return False
