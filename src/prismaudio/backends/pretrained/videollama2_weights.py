"""VideoLLaMA2.1's published files: what config.json says of the parts, and every tensor under its published name.

The names are those of `Videollama2Qwen2ForCausalLM` (VideoLLaMA2's model/videollama2_arch.py and encoder.py): Qwen2's,
and below "model." a vision tower and a connector. The tower may be left out of the file; it is then SigLIP as published.
"""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from prismaudio.backends.pretrained.folder import (
    FILES,
    configured,
    read_config,
    read_json,
    read_weights,
    ready,
)
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.backends.pretrained.stc_connector import STCConnector
from prismaudio.backends.pretrained.videollama2_network import VideoLLaMA2Network
from prismaudio.models.checkpoints import CheckpointError, check_fit, fill, read_tensors, without_prefix

HUB_ID = "DAMO-NLP-SG/VideoLLaMA2.1-7B-16F"
FAMILY, KIND = "videollama2", "videollama2_qwen2"
CONNECTOR_TYPE = "stc_connector_v35"
PICTURES = 8  # where config.json is silent (NUM_FRAMES of VideoLLaMA2's constants.py); 2.1 says 16
TOWER = "model.vision_tower.vision_tower.vision_model."
CONNECTOR = "model.mm_projector."
AUDIO = ("model.audio_tower.", "model.mm_projector_a.")  # of 2.1-AV, which hears, too
PREFIXES = {"vision_tower.": TOWER, "mm_projector.": CONNECTOR, "language_model.": ""}
TRAINED = (
    "mm_projector.safetensors",
    "mm_projector.bin",
    "non_lora_trainables.bin",
)  # a connector beside a LoRA
WRAPPED = "base_model.model."  # before the names of what was trained inside a peft model
SIGLIP = "siglip-so400m-patch14-384"
SIGLIP_CONFIG = {  # its config.json, so that a file with the tower inside needs nothing from elsewhere
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}

log = logging.getLogger(__name__)


class Settings(NamedTuple):
    tower: str  # a folder, or a repository of the hub
    select_layer: int  # whose output is used: 0 before the first; -1 the last, -2 the last but one
    pictures: int  # that are seen of a video


def is_videollama2(source: str | Path) -> bool:
    """Whether this folder or hub repository holds a model of the family; `CheckpointError` if one that cannot be used.

    Only config.json is fetched. A folder without one is nobody's.
    """
    folder = resolve(source, ("config.json",))
    if not (folder / "config.json").is_file():
        return False
    kind = str(read_json(folder / "config.json").get("model_type"))
    if kind.startswith(FAMILY) and kind != KIND:
        raise CheckpointError(
            f"{source} is a VideoLLaMA2 of type {kind}, which is not supported; take a 2.1, such as {HUB_ID}"
        )
    return kind == KIND


def load_network(folder: Path, dtype: torch.dtype | None = None) -> tuple[VideoLLaMA2Network, Settings]:
    """Every tensor from the folder, strictly, in `dtype` or the number format of the file; nothing learns."""
    values = read_config(folder, (KIND,))
    settings = read_settings(values, folder)
    state = without_audio(read_weights(folder), folder)
    if not any(name.startswith(TOWER) for name in state):
        state |= tower_weights(settings)
    embedding = state.get("model.embed_tokens.weight")
    network = build(values, settings, folder)
    check_fit(state, expected_shapes(network), folder)
    ready(network, dtype or (torch.float32 if embedding is None else embedding.dtype))
    fill(network, {name: state[published_name(name)] for name in network.state_dict()})
    return network, settings


def read_settings(values: dict[str, Any], folder: Path) -> Settings:
    """values: of config.json"""
    connector, feature = values.get("mm_projector_type"), values.get("mm_vision_select_feature", "patch")
    if connector != CONNECTOR_TYPE or feature != "patch":
        raise CheckpointError(
            f"{folder} has the connector {connector} to {feature} features; give one with {CONNECTOR_TYPE} to patch"
        )
    tower, layer = values.get("mm_vision_tower"), values.get("mm_vision_select_layer")
    pictures = values.get("num_frames") or PICTURES
    if not (isinstance(tower, str) and isinstance(layer, int) and isinstance(pictures, int) and pictures > 1):
        raise CheckpointError(
            f"{folder / 'config.json'} makes no sense (mm_vision_tower {tower}, mm_vision_select_layer {layer}, "
            f"num_frames {pictures}); get the file again"
        )
    return Settings(tower, layer, pictures)


def build(values: dict[str, Any], settings: Settings, folder: Path) -> VideoLLaMA2Network:
    """On the meta device, besides what is computed and in no file."""
    with extra_for("a local planner"):
        from transformers import Qwen2Config, Qwen2ForCausalLM, SiglipVisionConfig, SiglipVisionModel

    language = configured(Qwen2Config, values | {"model_type": "qwen2"}, folder)
    vision = configured(SiglipVisionConfig, tower_config(settings), folder)
    depth = vision.num_hidden_layers
    if not -depth <= settings.select_layer + 1 <= depth + 1:
        raise CheckpointError(
            f"{folder / 'config.json'} selects layer {settings.select_layer} of {depth}; get the file again"
        )
    with torch.device("meta"):
        tower, writer = SiglipVisionModel(vision), Qwen2ForCausalLM(language)
        connector = STCConnector(vision.hidden_size, language.hidden_size)
    places = torch.arange(tower.embeddings.num_positions)[None]
    tower.embeddings.register_buffer("position_ids", places, persistent=False)
    writer.model.rotary_emb = type(writer.model.rotary_emb)(language)
    return VideoLLaMA2Network(tower, connector, writer, settings.select_layer % (depth + 1))


def published_name(ours: str) -> str:
    """The published name of a tensor of a `VideoLLaMA2Network`."""
    prefix = next(prefix for prefix in PREFIXES if ours.startswith(prefix))
    return PREFIXES[prefix] + ours.removeprefix(prefix)


def published_state(network: VideoLLaMA2Network) -> dict[str, Tensor]:
    """All tensors as they are published, to be saved."""
    return {published_name(name): tensor for name, tensor in network.state_dict().items()}


def expected_shapes(network: VideoLLaMA2Network) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in published_state(network).items()}


def without_audio(state: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """A model that hears is taken for its eyes, and that is said."""
    silent = {name: tensor for name, tensor in state.items() if not name.startswith(AUDIO)}
    if left := len(state) - len(silent):
        log.warning("%s hears, too; its %d tensors for that are not used", folder, left)
    return silent


def tower_config(settings: Settings) -> dict[str, Any]:
    """What the vision tower says of itself, or, of the published one, what is known."""
    if not Path(settings.tower).is_dir() and Path(settings.tower).name == SIGLIP:
        return SIGLIP_CONFIG
    values = read_config(resolve(settings.tower, ("config.json",)), ("siglip", "siglip_vision_model"))
    return values.get("vision_config", values)


def tower_weights(settings: Settings) -> dict[str, Tensor]:
    """The vision half of a SigLIP, under the names it has inside VideoLLaMA2."""
    state = read_weights(resolve(settings.tower, ("config.json", "model*.safetensors"), FILES))
    seeing = without_prefix(state, "vision_model.") or state  # a tower alone may be saved without
    return {f"{TOWER}{name}": tensor for name, tensor in seeing.items()}


def take_connector(network: VideoLLaMA2Network, folder: Path) -> bool:
    """Give the network the trained connector of this folder, strictly, if there is one; -> whether."""
    path = next((folder / name for name in TRAINED if (folder / name).is_file()), None)
    if path is None:
        return False
    state = {name.removeprefix(WRAPPED): tensor for name, tensor in read_tensors(path).items()}
    own = network.mm_projector.state_dict()
    check_fit(state, {f"{CONNECTOR}{name}": tensor.shape for name, tensor in own.items()}, path)
    fill(network.mm_projector, without_prefix(state, CONNECTOR))
    return True
