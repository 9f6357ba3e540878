"""HTSAT, the network that hears in both CLAPs: from the published names to those of transformers, and its input.

Shapes: B batch, N samples, K frames, M mel bands, D width.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor

from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.models.mel_filters import slaney_filters

if TYPE_CHECKING:
    from transformers import ClapAudioConfig

TRANSFORM = 1024  # samples
LOW, HIGH = 50.0, 14_000.0  # Hz
BANDS = 64
FLOOR = 1e-10  # of power
IMAGE = 1024  # frames the network looks at; fewer are stretched to it
# parts that only the training needed, or that are computed
UNREAD = re.compile(r"(tscam_conv|head|spectrogram_extractor|logmel_extractor)\.|attn_mask$")
# (theirs, ours), all applied, in order; ours are those of ClapAudioModel
NAMES = [
    (r"^", "audio_encoder."),
    (r"\.bn0\.", ".batch_norm."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.relative_position", ".attention.self.relative_position"),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
]
QKV = re.compile(r"\.attn\.qkv\.(weight|bias)$")


def mel(audio: Tensor, claimed_rate: int, hop: int) -> Tensor:
    """audio: (B, N) -> (B, 1, K, M) decibels, K = N // hop + 1

    claimed_rate: what the samples are taken for, which for MS-CLAP is not their rate.
    """
    window = torch.hann_window(TRANSFORM, device=audio.device)
    spectrum = torch.stft(
        audio.float(), TRANSFORM, hop, window=window, pad_mode="reflect", return_complex=True
    )
    filters = slaney_filters(BANDS, TRANSFORM // 2 + 1, claimed_rate, LOW, HIGH).to(audio.device)
    power = filters @ spectrum.abs().square()
    return rearrange(10 * torch.log10(power.clamp(min=FLOOR)), "b m k -> b 1 k m")


def translated(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published tensors of HTSAT, by the names of ClapAudioModel."""
    ours: dict[str, Tensor] = {}
    for theirs, tensor in state.items():
        if UNREAD.search(theirs):
            continue
        name = theirs
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        if match := QKV.search(name):
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            stem = name[: match.start()]
            ours |= {f"{stem}.attention.self.{part}.{match[1]}": third for part, third in parts}
        else:
            ours[name] = tensor
    return ours


def read_config(ours: Mapping[str, Tensor]) -> "ClapAudioConfig":
    """The sizes of a network, from its tensors by the names of ClapAudioModel; KeyError if some are not there."""
    with extra_for("CLAP"):
        from transformers import ClapAudioConfig

    width = len(ours["audio_encoder.patch_embed.proj.bias"])
    blocks = {
        (int(layer), int(block))
        for name in ours
        for layer, block in re.findall(r"^audio_encoder\.layers\.(\d+)\.blocks\.(\d+)\.", name)
    }
    layers = 1 + max(layer for layer, _ in blocks)
    table = "audio_encoder.layers.{}.blocks.0.attention.self.relative_position_bias_table"
    return ClapAudioConfig(
        patch_embeds_hidden_size=width,
        hidden_size=len(ours["audio_encoder.norm.bias"]),
        depths=[sum(layer == number for layer, _ in blocks) for number in range(layers)],
        num_attention_heads=[ours[table.format(number)].shape[1] for number in range(layers)],
        num_hidden_layers=layers,
    )
