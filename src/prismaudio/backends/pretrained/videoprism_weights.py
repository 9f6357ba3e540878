"""VideoPrism as its makers publish it - Flax arrays in one .npz - under the names of transformers, strictly.

Letters of the patterns: l layers of a kind (stacked in one array), d width, h heads, k head width, i in, o out,
n positions, p q c rows, columns and colours of a patch.
"""

import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import parse_shape, rearrange
from torch import Tensor

from prismaudio.models.checkpoints import CheckpointError, check_exists, check_fit

ROOT = "params/"
SPATIAL, TEMPORAL, AUXILIARY = (
    f"{encoder}/transformers_stack/x_layers"
    for encoder in ("vision_encoder/spatial_encoder", "vision_encoder/temporal_encoder", "auxiliary_encoder")
)
POOLER = "contrastive_vision_pooler"
PATCHES = "vision_model.spatial_embeddings.patch_embeddings.projection"
COLOURS = 3

# ours -> theirs, and how theirs is turned
Names = dict[str, tuple[str, str]]


def _both(ours: str, theirs: str, weight: tuple[str, str], bias: tuple[str, str]) -> Names:
    return {
        f"{ours}.weight": (f"{theirs}/{weight[0]}", weight[1]),
        f"{ours}.bias": (f"{theirs}/{bias[0]}", bias[1]),
    }


def _norm(ours: str, theirs: str) -> Names:
    return _both(ours, theirs, ("scale", "d -> d"), ("bias", "d -> d"))


def _linear(ours: str, theirs: str) -> Names:
    return _both(ours, f"{theirs}/linear", ("kernel", "i o -> o i"), ("bias", "o -> o"))


def _attention(ours: str, theirs: str) -> Names:
    names = _both(f"{ours}.o_proj", f"{theirs}/post", ("w", "d h k -> d (h k)"), ("b", "d -> d"))
    for letter, word in (("q", "query"), ("k", "key"), ("v", "value")):
        names |= _both(
            f"{ours}.{letter}_proj", f"{theirs}/{word}", ("w", "d h k -> (h k) d"), ("b", "h k -> (h k)")
        )
    return names


BLOCK = {
    **_attention("attention", "self_attention"),
    **_norm("layernorm_before", "layer_norm"),
    **_linear("mlp.fc1", "ff_layer/ffn_layer1"),
    **_linear("mlp.fc2", "ff_layer/ffn_layer2"),
    **_norm("layernorm_after", "ff_layer/layer_norm"),
}
SINGLE = {
    **_linear(PATCHES, "vision_encoder/patch_projection"),
    f"{PATCHES}.weight": ("vision_encoder/patch_projection/linear/kernel", "(p q c) d -> d c 1 p q"),
    "vision_model.spatial_embeddings.position_embeddings": (
        "vision_encoder/spatial_pos_emb/emb_var",
        "n d -> 1 n d",
    ),
    "vision_model.temporal_embeddings.position_embeddings": (
        "vision_encoder/temporal_pos_emb/emb_var",
        "n d -> 1 n d",
    ),
    **_norm("vision_model.layernorm1", "vision_encoder/spatial_ln"),
    **_norm("vision_model.layernorm2", "vision_encoder/temporal_ln"),
    "head.pooling_attention_query": (f"{POOLER}/pooling_attention_query", "1 d -> 1 1 d"),
    "head.per_dim_scale": (f"{POOLER}/pooling_attention/per_dim_scale/per_dim_scale", "k -> k"),
    **_attention("head", f"{POOLER}/pooling_attention"),
    **_norm("head_layernorm", f"{POOLER}/pooling_attention_layer_norm"),
}
# the text tower, which a file may hold and nothing here reads
TEXT = {
    f"{ROOT}text_encoder/{name}"
    for name in (
        "cls_emb",
        "token_emb/emb_var",
        "unimodal_ln/bias",
        "unimodal_ln/scale",
        *(f"unimodal_transformer/x_layers/{theirs}" for theirs, _ in BLOCK.values()),
    )
}
DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, TypeError, KeyError)


class Sizes(NamedTuple):
    """Everything about the network that its arrays tell."""

    width: int
    heads: int
    hidden: int  # of a block's feed-forward network
    pooled: int  # width of the pooler's attention, all heads
    patch: int
    side: int  # patches of a frame from top to bottom, and from left to right
    frames: int  # positions in time
    spatial: int  # layers
    temporal: int
    auxiliary: int


class Array(NamedTuple):
    """One array of the file, and the tensors of the network that are cut from it."""

    name: str
    ours: tuple[str, ...]  # one a layer
    stacked: bool
    pattern: str


def read_sizes(path: Path) -> Sizes:
    """The sizes of the network in `path`; whether all arrays agree is for `read_state` to say."""
    shapes = _read_shapes(path)
    names = {array.name for array in _arrays(spatial=1, temporal=1, auxiliary=1)}
    check_fit(shapes, {name: shapes[name].shape if name in shapes else torch.Size() for name in names}, path)

    def axes(name: str, letters: str) -> dict[str, int]:
        array = shapes[f"{ROOT}{name}"]
        try:
            return parse_shape(array, letters)
        except RuntimeError as error:
            raise CheckpointError(
                f"{path}: {ROOT}{name} has the shape {tuple(array.shape)} instead of {len(letters.split())} axes; "
                "get the file again"
            ) from error

    query = axes(f"{SPATIAL}/self_attention/query/w", "l d h k")
    pooler = axes(f"{POOLER}/pooling_attention/query/w", "d h k")
    return Sizes(
        width=query["d"],
        heads=query["h"],
        hidden=axes(f"{SPATIAL}/ff_layer/ffn_layer1/linear/kernel", "l i o")["o"],
        pooled=pooler["h"] * pooler["k"],
        patch=math.isqrt(axes("vision_encoder/patch_projection/linear/kernel", "i d")["i"] // COLOURS),
        side=math.isqrt(axes("vision_encoder/spatial_pos_emb/emb_var", "n d")["n"]),
        frames=axes("vision_encoder/temporal_pos_emb/emb_var", "n d")["n"],
        spatial=query["l"],
        temporal=axes(f"{TEMPORAL}/layer_norm/scale", "l d")["l"],
        auxiliary=axes(f"{AUXILIARY}/layer_norm/scale", "l d")["l"],
    )


def read_state(
    path: Path, ours: Mapping[str, torch.Size], sizes: Sizes, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Tensors of these names and shapes; `ours` is the whole network, and the file must fit it exactly."""
    arrays = _arrays(sizes.spatial, sizes.temporal, sizes.auxiliary)
    check_fit(_read_shapes(path), {array.name: _shape(array, ours, sizes) for array in arrays}, path)
    state = {}
    try:
        with np.load(path) as file:
            for array in arrays:
                content = torch.from_numpy(file[array.name])
                layers = content.unbind() if array.stacked else (content,)
                for name, layer in zip(array.ours, layers, strict=True):
                    turned = rearrange(layer, array.pattern, **_lengths(array.pattern, sizes))
                    state[name] = turned.to(dtype).contiguous()
    except DAMAGE as error:
        raise _damaged(path, error) from error
    return state


def _arrays(spatial: int, temporal: int, auxiliary: int) -> list[Array]:
    """All arrays of a file with so many layers."""
    stacks = (
        ("vision_model.spatial_layers", SPATIAL, spatial),
        ("vision_model.temporal_layers", TEMPORAL, temporal),
        ("auxiliary_layers", AUXILIARY, auxiliary),
    )
    single = [Array(f"{ROOT}{theirs}", (ours,), False, pattern) for ours, (theirs, pattern) in SINGLE.items()]
    return single + [
        Array(f"{ROOT}{stack}/{theirs}", tuple(f"{blocks}.{k}.{ours}" for k in range(layers)), True, pattern)
        for blocks, stack, layers in stacks
        for ours, (theirs, pattern) in BLOCK.items()
    ]


def _shape(array: Array, ours: Mapping[str, torch.Size], sizes: Sizes) -> torch.Size:
    """The shape the array must have to become the network's."""
    theirs, _, own = array.pattern.partition(" -> ")
    unreal = torch.empty(ours[array.ours[0]], device="meta")
    shape = rearrange(unreal, f"{own} -> {theirs}", **_lengths(array.pattern, sizes)).shape
    return torch.Size([len(array.ours), *shape]) if array.stacked else shape


def _lengths(pattern: str, sizes: Sizes) -> dict[str, int]:
    """Lengths of the axes of `pattern` that a shape alone does not tell."""
    known = {"h": sizes.heads, "p": sizes.patch, "q": sizes.patch}
    return {axis: length for axis, length in known.items() if axis in pattern}


def _read_shapes(path: Path) -> dict[str, Tensor]:
    """Arrays without their content, besides the text tower's; only headers are read."""
    check_exists(path)
    try:
        with zipfile.ZipFile(path) as file:
            names = [name.removesuffix(".npy") for name in file.namelist()]
            return {name: _read_header(file, name) for name in names if name not in TEXT}
    except DAMAGE as error:
        raise _damaged(path, error) from error


def _read_header(file: zipfile.ZipFile, name: str) -> Tensor:
    with file.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        return torch.empty(read(member)[0], device="meta")


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{path} is damaged or no .npz of numbers ({error}); download it again")
