"""Audiobox Aesthetics: WavLM's layers weighed anew for each axis, a mean over time, and a small network for each.

Shapes: B batch, N samples, K frames, L layers, D width.
"""

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from einops import reduce
from torch import Tensor, nn

from prismaudio.backends.pretrained.assembling import filled, sized
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.models.checkpoints import CheckpointError, read_content, without_prefix

if TYPE_CHECKING:
    from transformers import WavLMConfig, WavLMModel

AXES = ("CE", "CU", "PC", "PQ")  # enjoyment, usefulness, complexity, quality
WAVLM = "wavlm_model."
HEADS, LAYER_WEIGHTS = "proj_layer.", "layer_weights."
WRAPPED = re.compile(
    r"^(model|encoder)\."
)  # before names, in the checkpoint of the paper and in that of the hub
STRIDES = (5, 2, 2, 2, 2, 2, 2)  # of the convolutions, which no tensor tells
ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}
# (theirs, ours), all applied, in order; ours are those of WavLMModel
NAMES = [
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"^mask_emb$", "masked_spec_embed"),
    (r"(conv_layers\.\d+)\.0\.", r"\1.conv."),
    (r"(conv_layers\.\d+)\.2\.", r"\1.layer_norm."),
    (r"\.pos_conv\.0\.weight_g$", ".pos_conv_embed.conv.parametrizations.weight.original0"),
    (r"\.pos_conv\.0\.weight_v$", ".pos_conv_embed.conv.parametrizations.weight.original1"),
    (r"\.pos_conv\.0\.", ".pos_conv_embed.conv."),
    (r"\.self_attn_layer_norm\.", ".layer_norm."),
    (r"\.self_attn\.grep_linear\.", ".attention.gru_rel_pos_linear."),
    (r"\.self_attn\.grep_a$", ".attention.gru_rel_pos_const"),
    (r"\.self_attn\.relative_attention_bias\.", ".attention.rel_attn_embed."),
    (r"\.self_attn\.", ".attention."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
]


class Scale(NamedTuple):
    """What turns a network's answer into points of an axis."""

    mean: float
    std: float


class Checkpoint(NamedTuple):
    """What a file or folder says."""

    state: dict[str, Tensor]  # published names
    scales: dict[str, Scale]
    activation: str
    normalised: bool  # whether the embedding has length 1


class Aesthetics(nn.Module):
    """The network of all axes."""

    def __init__(self, wavlm: "WavLMModel", heads: Mapping[str, nn.Sequential], normalised: bool) -> None:
        super().__init__()
        self.wavlm = wavlm
        self.heads = nn.ModuleDict(heads)
        layers = wavlm.config.num_hidden_layers + 1
        self.layer_weights = nn.ParameterDict({axis: torch.zeros(layers) for axis in heads})
        self.normalised = normalised

    def forward(self, audio: Tensor, real: Tensor) -> Tensor:
        """audio: (B, N) at 16 kHz, real: (B, N) whether a sample is no padding -> (B, axes), before the scales"""
        layers, frames = self.layers(audio, real)
        weights = torch.stack([self.layer_weights[axis].softmax(dim=0) for axis in self.heads])  # (axes, L)
        counted = frames.to(layers.dtype)
        mean = torch.einsum("lbkd,bk->bld", layers, counted) / counted.sum(dim=1).clamp(min=1)[:, None, None]
        embeddings = torch.einsum("bld,al->bad", mean, weights)
        if self.normalised:
            embeddings = F.normalize(embeddings, dim=-1)
        return torch.cat([head(embeddings[:, k]) for k, head in enumerate(self.heads.values())], dim=-1)

    def layers(self, audio: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """-> what every layer hears, (L, B, K, D), and which frames are no padding, (B, K)"""
        with warnings.catch_warnings():  # transformers mixes kinds of masks, which torch allows and dislikes
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
            heard = self.wavlm(input_values=audio, attention_mask=real, output_hidden_states=True)
        layers = torch.stack(heard.hidden_states)
        return layers, real_frames(layers.shape[2], real)


def real_frames(frames: int, real: Tensor) -> Tensor:
    """real: (B, N) -> (B, frames): a frame counts if any of its N // frames samples does, as in the published code

    transformers would ask whether the convolutions reach no padding, which drops the frame at the boundary.
    """
    each = real.shape[1] // frames
    return reduce(real[:, : each * frames].bool(), "b (k n) -> b k", "any", k=frames)


def load(path: Path) -> tuple[Aesthetics, dict[str, Scale]]:
    """From the paper's checkpoint.pt or a folder as on the hub, of any size, strictly; head depth from the tensors."""
    found = read(path)
    instead = "checkpoint.pt or the folder of facebook/audiobox-aesthetics"
    network = sized(build, found, path, "Audiobox Aesthetics", instead)
    return filled(network, translated(found.state), path), found.scales


def read(path: Path) -> Checkpoint:
    """A file of weights and settings, or a folder with model.safetensors and config.json."""
    if path.is_dir():
        content: Any = {
            "state_dict": read_content(path / "model.safetensors"),
            "model_cfg": _read_json(path / "config.json"),
        }
        content["target_transform"] = content["model_cfg"].get("target_transform")
    else:
        content = read_content(path)
    try:
        settings, scales = content["model_cfg"], content["target_transform"]
        if not settings.get("use_weighted_layer_sum", True):
            raise CheckpointError(
                f"{path} weighs no layers, which only its first versions did; get a newer one"
            )
        return Checkpoint(
            {WRAPPED.sub("", name): tensor for name, tensor in content["state_dict"].items()},
            {axis: Scale(float(scales[axis]["mean"]), float(scales[axis]["std"])) for axis in AXES},
            settings.get("proj_act_fn", "gelu"),
            settings.get("normalize_embed", True),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} lacks what Audiobox Aesthetics needs ({error!r}); give checkpoint.pt, "
            "or the folder of facebook/audiobox-aesthetics with its config.json"
        ) from error


def build(found: Checkpoint) -> Aesthetics:
    """A network as large as these tensors say."""
    wavlm = published_wavlm(wavlm_config(without_prefix(found.state, WAVLM)))
    heads = {
        axis: head(without_prefix(found.state, f"{HEADS}{axis}."), ACTIVATIONS[found.activation])
        for axis in AXES
    }
    return Aesthetics(wavlm, heads, found.normalised)


def published_wavlm(config: "WavLMConfig") -> "WavLMModel":
    """WavLM with the published idea of which frames are padding."""
    with extra_for("Audiobox Aesthetics"):
        from transformers import WavLMModel

    class PublishedMask(WavLMModel):  # type: ignore[no-untyped-call]  # of __init_subclass__
        def _get_feature_vector_attention_mask(
            self, feature_vector_length: int, attention_mask: Tensor, add_adapter: bool | None = None
        ) -> Tensor:
            return real_frames(feature_vector_length, attention_mask)

    return PublishedMask(config)


def head(state: Mapping[str, Tensor], activation: type[nn.Module]) -> nn.Sequential:
    """Layers at the places their tensors have: linear ones, norms, and something bent before each further linear one."""
    places = {
        int(name.partition(".")[0]): tensor for name, tensor in state.items() if name.endswith(".weight")
    }
    last = max(places)
    layers: list[nn.Module] = []
    for place in range(last + 1):
        weight = places.get(place)
        if weight is None:
            bent = place - 1 in places
            layers.append(activation() if bent else nn.Identity())  # dropout, of which nothing is left
        elif weight.ndim == 1:
            layers.append(nn.LayerNorm(len(weight)))
        else:
            layers.append(nn.Linear(weight.shape[1], weight.shape[0]))
    return nn.Sequential(*layers)


def wavlm_config(state: Mapping[str, Tensor]) -> "WavLMConfig":
    """The sizes of a WavLM, from its published tensors."""
    with extra_for("Audiobox Aesthetics"):
        from transformers import WavLMConfig

    convolutions = [state[f"feature_extractor.conv_layers.{n}.0.weight"] for n in range(len(STRIDES))]
    width = len(state["encoder.layer_norm.bias"])
    buckets, heads = state["encoder.layers.0.self_attn.relative_attention_bias.weight"].shape
    position = state["encoder.pos_conv.0.weight_v"]
    return WavLMConfig(
        hidden_size=width,
        num_hidden_layers=1
        + max(int(n) for name in state for n in re.findall(r"^encoder\.layers\.(\d+)\.", name)),
        num_attention_heads=heads,
        intermediate_size=len(state["encoder.layers.0.fc1.bias"]),
        num_buckets=buckets,
        conv_dim=[len(weight) for weight in convolutions],
        conv_kernel=[weight.shape[-1] for weight in convolutions],
        conv_stride=list(STRIDES),
        num_conv_pos_embeddings=position.shape[-1],
        num_conv_pos_embedding_groups=width // position.shape[1],
    )


def translated(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published tensors by our names."""
    ours = {name.replace(HEADS, "heads.", 1): t for name, t in state.items() if not name.startswith(WAVLM)}
    for theirs, tensor in without_prefix(state, WAVLM).items():
        name = theirs
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        ours[f"wavlm.{name}"] = tensor
    return ours


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); get the file again") from error
