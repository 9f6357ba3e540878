"""Weights in and out of files: the published checkpoints, strictly, and this project's own safetensors.

Modules may be built on the meta device: loading gives them the tensors of the file, so nothing is initialised
in vain and the file is mapped rather than copied. Every problem with a file is a `CheckpointError`.
"""

import json
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from prismaudio.errors import CannotWrite, PrismAudioError
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.oobleck import OobleckVAE
from prismaudio.models.packing import packed, unpacked
from prismaudio.models.published import (
    VAE_PREFIX,
    CodecSize,
    TransformerSize,
    codec_size,
    expected_shapes,
    expected_vae_shapes,
    facts,
    published_name,
    published_vae_name,
    transformer_size,
)
from prismaudio.models.weight_norm import folded

VAE_FILE_PREFIX = "autoencoder."
CONFIG = "prismaudio"  # the metadata entry of our own files
GUIDANCE = "guidance"  # in it, of a transformer that is best at an unusual scale; no argument of the module
NAMES_SHOWN = 3
PROGRAM = re.compile(r"Unsupported global: GLOBAL (\S+)")  # in torch's words
WRAPPERS = ("state_dict", "model")  # names under which others put the tensors of a file
NUMPY_SCALAR = np._core.multiarray.scalar  # type: ignore[attr-defined]  # what NumPy's pickles call
# numbers that trainers wrote beside the weights with either NumPy, none of which can run anything
NUMPY_NUMBERS: list[Any] = [
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("float32", "float64", "int32", "int64")),
    *((NUMPY_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]
# what the readers raise when bytes are not what they should be
DAMAGE = (SafetensorError, pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError)


class CheckpointError(PrismAudioError):
    """A weights file that is missing, damaged, or not made for this model."""


class PrismAudioModel(NamedTuple):
    model: ConditionedDiT
    vae: OobleckVAE


def build_prismaudio() -> PrismAudioModel:
    """The published size - 518 million parameters and a codec of 156 million - on the meta device."""
    with torch.device("meta"):
        model = ConditionedDiT(
            latent_channels=64, width=1024, depth=24, heads=16, video_dim=1024, text_dim=1024, sync_dim=768
        )
        vae = OobleckVAE(
            audio_channels=2,
            channels=128,
            multipliers=(1, 2, 4, 8, 16),
            strides=(2, 4, 4, 8, 8),
            latent_channels=64,
            sample_rate=44_100,
        )
    return PrismAudioModel(model, vae)


def load_prismaudio(path: Path, vae_path: Path | None = None) -> PrismAudioModel:
    """The published model from `prismaudio.ckpt`; the codec of `vae.ckpt` can replace the one inside."""
    built = build_prismaudio()
    load_published(path, built.model, built.vae)
    if vae_path is not None:
        load_published_vae(vae_path, built.vae)
    return PrismAudioModel(built.model.eval(), built.vae.eval())


def load_any_size(path: Path, vae_path: Path | None, dtype: torch.dtype) -> PrismAudioModel:
    """A model of the published layout, as large as its file says; the transformer in `dtype`.

    The codec keeps float32; that of `vae_path` replaces the one inside, as it does in the published program.
    """
    transformer, codec = read_sizes(path)
    with torch.device("meta"):
        model, vae = ConditionedDiT(**transformer).to(dtype), OobleckVAE(**codec)
    state = read_published(path, model, vae)
    fill_transformer(model, state)
    if vae_path is None:
        fill_vae(vae, without_prefix(state, VAE_PREFIX))
    else:
        load_published_vae(vae_path, vae)
    return PrismAudioModel(model.eval(), vae.eval())


def read_sizes(path: Path) -> tuple[TransformerSize, CodecSize]:
    """The sizes of the transformer and the codec in a file of the published layout."""
    state = read_tensors(path)
    try:
        return transformer_size(state), codec_size(without_prefix(state, VAE_PREFIX))
    except (KeyError, ValueError, IndexError, ArithmeticError) as error:
        raise CheckpointError(
            f"{path} is no published PrismAudio model: its size cannot be read off it ({error}); "
            "give an unchanged prismaudio.ckpt"
        ) from error


def load_published(path: Path, model: ConditionedDiT, vae: OobleckVAE) -> None:
    """Fill both from one file in the published layout."""
    state = read_published(path, model, vae)
    fill_transformer(model, state)
    fill_vae(vae, without_prefix(state, VAE_PREFIX))


def read_published(path: Path, model: ConditionedDiT, vae: OobleckVAE) -> dict[str, Tensor]:
    """What both need, strictly, from one file; flat or under "state_dict" (spec model.md 8)."""
    state = read_tensors(path)
    vae_shapes = {f"{VAE_PREFIX}{name}": shape for name, shape in expected_vae_shapes(vae).items()}
    check_fit(state, expected_shapes(model) | vae_shapes, path)
    check_facts(state, facts(model), path)
    return state


def load_published_vae(path: Path, vae: OobleckVAE) -> None:
    """Fill the codec from a file like `vae.ckpt`: names that start with "autoencoder.", and no others."""
    state = without_prefix(read_tensors(path), VAE_FILE_PREFIX)
    check_fit(state, expected_vae_shapes(vae), path)
    fill_vae(vae, state)


def save_weights(path: Path, module: nn.Module, config: Mapping[str, Any], *, packing: bool = False) -> None:
    """Write all tensors of `module` and the JSON-like `config` that rebuilds it, whole or not at all.

    packing: large matrices in one byte a number, see `packing.py`; `load_weights` knows by itself.
    """
    state = module.state_dict()
    save_tensors(path, packed(state) if packing else state, {CONFIG: json.dumps(dict(config))})


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file. It appears whole or not at all: it is written beside, then renamed."""
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(content, beside, metadata=dict(metadata))
        beside.chmod(0o644)  # safetensors keeps it to its owner, but weights are for everybody
        beside.replace(path)
    except (OSError, SafetensorError) as error:
        raise CannotWrite(path, str(error), "check that the folder exists and has space") from error
    finally:
        beside.unlink(missing_ok=True)


def read_guidance(path: Path, usual: float) -> float:
    """The scale the transformer in `path` is best at: what its file says, else the usual one."""
    return float(_read_entry(path).get(GUIDANCE, usual))


def read_config(path: Path) -> dict[str, Any]:
    """The config `save_weights` wrote into `path`."""
    return {name: value for name, value in _read_entry(path).items() if name != GUIDANCE}


def _read_entry(path: Path) -> dict[str, Any]:
    metadata = _read_metadata(path)
    if CONFIG not in metadata:
        raise CheckpointError(f"{path} holds no {CONFIG} config; give a file that prismaudio has written")
    return json.loads(metadata[CONFIG])


def _read_metadata(path: Path) -> dict[str, str]:
    check_exists(path)
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file ({error}); get it again") from error


def load_weights(path: Path, module: nn.Module) -> None:
    """Fill `module` from a file of `save_weights`, strictly, in the number format `module` was built with.

    It may be on the meta device if its state dict holds all its buffers.
    """
    state = unpacked(read_tensors(path))
    check_fit(state, {name: tensor.shape for name, tensor in module.state_dict().items()}, path)
    fill(module, state)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors or torch file, on the CPU, mapped from the disk where possible."""
    content = read_content(path)
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(f"{path} does not hold named tensors; give a published checkpoint")
    return content


def read_content(path: Path) -> Any:
    """Whatever a safetensors or torch file holds, as long as it is plain: tensors, numbers, words, in dicts and lists."""
    check_exists(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(NUMPY_NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except DAMAGE as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    if program := PROGRAM.search(str(error)):
        return CheckpointError(
            f"{path} holds a Python object besides tensors ({program[1]}), which would have to be run to be read; "
            "give a file of tensors alone"
        )
    reason = str(error).strip().partition("\n")[0]
    return CheckpointError(f"{path} is damaged or no torch checkpoint ({reason}); download it again")


def check_exists(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}; check the path or download the file")


def check_fit(state: Mapping[str, Tensor], expected: Mapping[str, torch.Size], path: Path) -> None:
    """Raise unless `state` holds exactly the expected names and shapes."""
    problems = []
    if missing := sorted(expected.keys() - state.keys()):
        problems.append(f"{len(missing)} tensors are missing ({_some(missing)})")
    if unexpected := sorted(state.keys() - expected.keys()):
        problems.append(f"{len(unexpected)} tensors are unknown ({_some(unexpected)})")
    reshaped = [
        f"{name} is {tuple(state[name].shape)} instead of {tuple(shape)}"
        for name, shape in expected.items()
        if name in state and state[name].shape != shape
    ]
    if reshaped:
        problems.append(f"{len(reshaped)} tensors have another shape ({_some(reshaped)})")
    if problems:
        raise CheckpointError(
            f"{path} does not fit this model: {'; '.join(problems)}. Is it the file for this model size?"
        )


def check_facts(state: Mapping[str, Tensor], known: Mapping[str, Tensor], path: Path) -> None:
    """Raise if the file stores another value where this code computes one; half precision is forgiven."""
    changed = [
        name for name, value in known.items() if not torch.allclose(state[name].float(), value, rtol=1e-2)
    ]
    if changed:
        raise CheckpointError(
            f"{path} changes constants of the published model ({_some(changed)}); give an unchanged file"
        )


def fill(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give `module` these tensors, in its own number formats; names and shapes were checked before.

    A module of the meta device takes them as they are; another keeps its own tensors, which an optimizer may
    know, and copies into them.
    """
    own = module.state_dict()
    unreal = any(tensor.is_meta for tensor in own.values())
    module.load_state_dict({name: state[name].to(own[name].dtype) for name in own}, assign=unreal)


def fill_transformer(model: ConditionedDiT, state: Mapping[str, Tensor]) -> None:
    """Fill from published names."""
    fill(model, {name: state[published_name(name)] for name in model.state_dict()})


def fill_vae(vae: OobleckVAE, state: Mapping[str, Tensor]) -> None:
    """Fill from published names: plain convolutions get folded weights, weight-normed ones both halves."""
    ours = {}
    for name in vae.state_dict():
        theirs = published_vae_name(name)
        if theirs.endswith(".weight"):
            ours[name] = folded(state[f"{theirs}_v"].float(), state[f"{theirs}_g"].float())
        else:
            ours[name] = state[theirs]
    fill(vae, ours)


def without_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
