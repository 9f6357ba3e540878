"""How the published checkpoints name and shape their tensors, and which of them no network reads.

Names are translated from ours to theirs, so that every error can speak of the file the user has. The expected
shapes of the full size agree with the published files key for key.
"""

import re
from collections.abc import Mapping
from typing import TypedDict

import torch
from torch import Tensor

from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.embeddings import rotary_frequencies
from prismaudio.models.oobleck import OobleckVAE

NETWORK = "model.model."
CONDITIONERS = "conditioner.conditioners."
VAE_PREFIX = "pretransform.model."
SAMPLE_RATE = 44_100  # of every published codec; no tensor tells it

# (ours, theirs), all applied, in order
NAMES = [
    (r"^conditioner\.(video|text|sync)\.", rf"{CONDITIONERS}\1_features.embedder."),
    (r"^conditioner\.sync_position$", f"{CONDITIONERS}sync_features.sync_pos_emb"),
    (r"^dit\.time\.frequencies$", f"{NETWORK}timestep_features.weight"),
    (r"^dit\.time\.network\.", f"{NETWORK}to_timestep_embed."),
    (r"^dit\.embed_cross\.", f"{NETWORK}to_cond_embed."),
    (r"^dit\.embed_video\.", f"{NETWORK}to_add_embed."),
    (r"^dit\.embed_sync\.", f"{NETWORK}to_sync_embed."),
    (r"^dit\.empty_sync$", f"{NETWORK}empty_sync_feat"),
    (r"^dit\.mix_in\.", f"{NETWORK}preprocess_conv."),
    (r"^dit\.mix_out\.", f"{NETWORK}postprocess_conv."),
    (r"^dit\.video_gate$", f"{NETWORK}transformer.gate"),
    (r"^dit\.blocks\.", f"{NETWORK}transformer.layers."),
    (r"^dit\.", f"{NETWORK}transformer."),
    (r"\.self_norm\.weight$", ".pre_norm.gamma"),
    (r"\.cross_norm\.weight$", ".cross_attend_norm.gamma"),
    (r"\.feed_norm\.weight$", ".ff_norm.gamma"),
    (r"\.self_attention\.", ".self_attn."),
    (r"\.cross_attention\.", ".cross_attn."),
    (r"\.feed_forward\.expand\.", ".ff.ff.0.proj."),
    (r"\.feed_forward\.contract\.", ".ff.ff.2."),
]


class TransformerSize(TypedDict):
    """The arguments of a `ConditionedDiT`."""

    latent_channels: int
    width: int
    depth: int
    heads: int
    video_dim: int
    text_dim: int
    sync_dim: int


class CodecSize(TypedDict):
    """The arguments of an `OobleckVAE`."""

    audio_channels: int
    channels: int
    multipliers: list[int]
    strides: list[int]
    latent_channels: int
    sample_rate: int


def transformer_size(state: Mapping[str, Tensor]) -> TransformerSize:
    """The size of the transformer a published file holds, read off the shapes of some of its tensors."""
    layers = f"{NETWORK}transformer.layers."
    width, latent_channels = state[f"{NETWORK}transformer.project_in.weight"].shape
    dims = {
        name: state[f"{CONDITIONERS}{name}_features.embedder.0.weight"].shape[1]
        for name in ("video", "text", "sync")
    }
    return TransformerSize(
        latent_channels=latent_channels,
        width=width,
        depth=_count(state, layers),
        heads=width // state[f"{layers}0.self_attn.q_norm.weight"].shape[0],
        video_dim=dims["video"],
        text_dim=dims["text"],
        sync_dim=dims["sync"],
    )


def codec_size(state: Mapping[str, Tensor]) -> CodecSize:
    """The size of the codec a published file holds, by names without a prefix.

    Every layer of the encoder but the first and the last two is a block, whose fifth part strides.
    """
    channels, audio_channels, _ = state["encoder.layers.0.weight_v"].shape
    blocks = range(1, _count(state, "encoder.layers.") - 2)
    strided = [state[f"encoder.layers.{block}.layers.4.weight_v"].shape for block in blocks]
    return CodecSize(
        audio_channels=audio_channels,
        channels=channels,
        multipliers=[shape[0] // channels for shape in strided],
        strides=[shape[2] // 2 for shape in strided],
        latent_channels=state["decoder.layers.0.weight_v"].shape[1],
        sample_rate=SAMPLE_RATE,
    )


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered layers have names that start with `prefix`."""
    return len({name[len(prefix) :].split(".")[0] for name in state if name.startswith(prefix)})


def published_name(ours: str) -> str:
    """The published name of a tensor of a `ConditionedDiT`."""
    for pattern, replacement in NAMES:
        ours = re.sub(pattern, replacement, ours)
    return ours


def published_vae_name(ours: str) -> str:
    """The published name, without a prefix, of a tensor of an `OobleckVAE`, plain or with weight norm."""
    name = re.sub(r"\.(\d+)(?=\.)", r".layers.\1", ours)
    name = name.replace("parametrizations.weight.original0", "weight_g")
    return name.replace("parametrizations.weight.original1", "weight_v")


def facts(model: ConditionedDiT) -> dict[str, Tensor]:
    """Tensors a file stores though they never change: the zero offsets of norms, the rotary frequencies."""
    gammas = [name for name in map(published_name, model.state_dict()) if name.endswith("_norm.gamma")]
    width = model.dit.video_gate.shape[-1]
    zeros = {name.removesuffix("gamma") + "beta": torch.zeros(width) for name in gammas}
    return zeros | {
        f"{NETWORK}transformer.rotary_pos_emb.inv_freq": rotary_frequencies(model.dit.rotary.width)
    }


def unused_shapes(model: ConditionedDiT) -> dict[str, torch.Size]:
    """Weights a published file holds though nothing ever reads them (spec model.md sections 2 and 3)."""
    width = model.dit.video_gate.shape[-1]
    shapes = {f"{NETWORK}empty_clip_feat": torch.Size([1, width])}
    for name in ("video", "text", "sync"):
        dim = model.conditioner.get_submodule(name).get_parameter("0.weight").shape[1]
        if dim != width:
            shapes[f"{CONDITIONERS}{name}_features.proj_out.weight"] = torch.Size([width, dim])
            shapes[f"{CONDITIONERS}{name}_features.proj_out.bias"] = torch.Size([width])
    return shapes


def expected_shapes(model: ConditionedDiT) -> dict[str, torch.Size]:
    """Every tensor a published file must hold for `model`, besides the codec."""
    weights = {published_name(name): tensor.shape for name, tensor in model.state_dict().items()}
    return weights | unused_shapes(model) | {name: tensor.shape for name, tensor in facts(model).items()}


def expected_vae_shapes(vae: OobleckVAE) -> dict[str, torch.Size]:
    """Every tensor a published file must hold for `vae`, without a prefix; a weight comes in two halves."""
    shapes = {}
    for name, tensor in vae.state_dict().items():
        theirs = published_vae_name(name)
        if theirs.endswith(".weight"):
            shapes[f"{theirs}_g"] = torch.Size([tensor.shape[0], *[1] * (tensor.ndim - 1)])
            shapes[f"{theirs}_v"] = tensor.shape
        else:
            shapes[theirs] = tensor.shape
    return shapes
