"""The published system without its files: networks of the published shapes, or small ones, with random weights.

Random weights cost what trained ones cost. They are drawn where they will be used, so nothing is loaded or copied.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import T5GemmaConfig, VideoPrismVisionConfig

from prismaudio.backends.pretrained import t5gemma, videoprism
from prismaudio.backends.pretrained.synchformer import SynchformerEncoder, build_synchformer
from prismaudio.backends.pretrained.t5gemma import T5GemmaEncoder
from prismaudio.backends.pretrained.videoprism import VideoPrismEncoder
from prismaudio.generation.engine import Engine
from prismaudio.generation.fit import Fit
from prismaudio.generation.loading import assets, load_eyes, load_perception
from prismaudio.generation.placing import placed
from prismaudio.generation.published import Encoders, PublishedModel
from prismaudio.models.checkpoints import PrismAudioModel, build_prismaudio
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.motionformer import Motionformer
from prismaudio.models.oobleck import OobleckVAE

SPREAD = 0.5  # of what a layer adds: residual networks without training must not explode


@dataclass(frozen=True)
class Size:
    """How large the networks are, and what they are measured on."""

    generator: Callable[[], PrismAudioModel]
    sync: Callable[[], Motionformer]
    video: dict[str, int]  # of a VideoPrismVisionConfig
    text: dict[str, int]  # of the encoder of a T5GemmaConfig
    seconds: float
    picture: tuple[int, int]  # width, height
    tokens: int  # of the text


def smaller(channels: int, width: int, depth: int) -> Callable[[], PrismAudioModel]:
    """A generator that hears of encoders 64 wide; its latents last as long as the published ones."""

    def build() -> PrismAudioModel:
        with torch.device("meta"):
            dit = ConditionedDiT(64, width, depth, width // 64, video_dim=64, text_dim=64, sync_dim=64)
            codec = OobleckVAE(2, channels, (1, 2, 4, 8, 16), (2, 4, 4, 8, 8), 64, 44_100)
        return PrismAudioModel(dit, codec)

    return build


def smaller_sync(depth: int) -> Callable[[], Motionformer]:
    def build() -> Motionformer:
        with torch.device("meta"):
            return Motionformer(width=64, depth=depth, heads=1)

    return build


def vision(width: int, heads: int, spatial: int, temporal: int, auxiliary: int) -> dict[str, int]:
    return {
        "num_frames": 8,
        "hidden_size": width,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "num_spatial_layers": spatial,
        "num_temporal_layers": temporal,
        "num_auxiliary_layers": auxiliary,
    }


def words(vocabulary: int, width: int, inner: int, depth: int) -> dict[str, int]:
    heads = width // 64
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": 64,
    }


SIZES = {
    "published": Size(
        generator=build_prismaudio,
        sync=build_synchformer,
        video=vision(1024, 16, spatial=24, temporal=4, auxiliary=2),
        text=words(256_000, 1024, inner=2816, depth=24),
        seconds=9.0,
        picture=(1280, 720),
        tokens=160,
    ),
    "small": Size(
        generator=smaller(channels=4, width=128, depth=2),
        sync=smaller_sync(depth=2),
        video=vision(64, 1, spatial=2, temporal=1, auxiliary=1),
        text=words(1000, 64, inner=176, depth=2),
        seconds=9.0,
        picture=(1280, 720),
        tokens=160,
    ),
    "tiny": Size(
        generator=smaller(channels=2, width=64, depth=1),
        sync=smaller_sync(depth=1),
        video=vision(64, 1, spatial=1, temporal=1, auxiliary=1),
        text=words(100, 64, inner=64, depth=1),
        seconds=0.7,
        picture=(64, 48),
        tokens=8,
    ),
}


def build(size: Size, engine: Engine, fit: Fit) -> PublishedModel:
    """Everything of the published system where it will run; what the planner needs are its shipped weights."""

    def filled(stage: str, network: nn.Module, dtype: torch.dtype) -> Any:
        generator = torch.Generator(fit.home(stage, engine.device)).manual_seed(0)
        return fill_randomly(network, dtype, generator).eval().requires_grad_(False)

    made, dtype = size.generator(), engine.dtype
    video = VideoPrismEncoder(filled("vision", videoprism.build(vision_config(size), dtype), dtype))
    sync = SynchformerEncoder(
        filled("sync", size.sync(), dtype), segments_per_batch=1 if engine.device.type == "cpu" else 16
    )
    text = T5GemmaEncoder(
        filled("text", t5gemma.build(text_config(size), dtype), dtype), as_many_tokens(size.tokens)
    )
    return PublishedModel(
        dit=filled("transformer", made.model, dtype),
        codec=filled("decoder", made.vae, torch.float32),
        encoders=fitted_encoders(video, sync, text, fit),
        eyes=load_eyes(assets()),
        perception=load_perception(assets()),
        fit=fit,
    )


def fitted_encoders(
    video: VideoPrismEncoder, sync: SynchformerEncoder, text: T5GemmaEncoder, fit: Fit
) -> Encoders:
    """As they are loaded for a device of limited memory, if it is."""
    if fit.work is None:
        return Encoders(video, sync, text)
    video.logits_at_once, sync.segments_per_batch = fit.work.vision, fit.work.sync
    return placed(video, sync, text, fit.placement)


def vision_config(size: Size) -> VideoPrismVisionConfig:
    return VideoPrismVisionConfig(**size.video)  # type: ignore[arg-type]  # all of them numbers


def text_config(size: Size) -> T5GemmaConfig:
    return T5GemmaConfig(
        encoder=size.text, decoder=size.text | {"num_hidden_layers": 1}, is_encoder_decoder=False
    )


def as_many_tokens(count: int) -> Any:
    """A tokenizer to which every text is as long."""
    return lambda text, **options: {"input_ids": list(range(count))}


def fill_randomly(network: nn.Module, dtype: torch.dtype, generator: torch.Generator) -> nn.Module:
    """Weights for a network of the meta device, drawn on the generator's: norms keep, biases are zero.

    What is not on the meta device is moved.
    """
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            value = drawn(name, parameter.shape, dtype, generator)
            module.register_parameter(name, nn.Parameter(value, requires_grad=False))
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:
                module.register_buffer(name, torch.zeros(buffer.shape, dtype=dtype, device=generator.device))
    return nn.Module.to(network, generator.device)


def drawn(name: str, shape: torch.Size, dtype: torch.dtype, generator: torch.Generator) -> torch.Tensor:
    tensor = torch.empty(shape, dtype=dtype, device=generator.device)
    if len(shape) < 2:
        return tensor.fill_(0 if name == "bias" else 1)
    return tensor.normal_(0, SPREAD / shape[1:].numel() ** 0.5, generator=generator)
