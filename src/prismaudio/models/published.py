"""How the published checkpoints name and shape their tensors, and which of them no network reads.

Names are translated from ours to theirs, so that every error can speak of the file the user has. The expected
shapes of the full size agree with the published files key for key.
"""

import re

import torch
from torch import Tensor

from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.embeddings import rotary_frequencies
from prismaudio.models.oobleck import OobleckVAE

NETWORK = "model.model."
CONDITIONERS = "conditioner.conditioners."
VAE_PREFIX = "pretransform.model."

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
