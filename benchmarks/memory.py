"""Bytes that the weights and activations of the published networks take, measured without a GPU or any weights.

python -m benchmarks.memory --dtype bfloat16 --out memory.json

Needs the extra "published", whose libraries define two of the networks. Takes minutes.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import nn
from transformers import T5GemmaConfig, VideoPrismVisionConfig

from prismaudio.backends.pretrained import t5gemma, videoprism
from prismaudio.backends.pretrained.synchformer import build_synchformer
from prismaudio.generation.memory import TIERS, card, plan_memory
from prismaudio.generation.sizes import (
    Sizes,
    size_of_decoder,
    size_of_sync,
    size_of_text,
    size_of_transformer,
    size_of_vision,
)
from prismaudio.models.checkpoints import build_prismaudio

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--dtype", choices=DTYPES, default="bfloat16")
    arguments.add_argument("--out", type=Path, help="also write the figures as JSON")
    options = arguments.parse_args()
    sizes = measure(DTYPES[options.dtype])
    figures = {
        "dtype": options.dtype,
        "sizes (bytes)": {name: size._asdict() for name, size in sizes._asdict().items()},
        "plans": {f"{tier} GiB": plan_memory(card(tier), sizes).summary() for tier in TIERS},
    }
    print(json.dumps(figures, indent=2))  # noqa: T201  # a benchmark's output is its purpose
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(dtype: torch.dtype) -> Sizes:
    model, codec = build_prismaudio()
    return Sizes(
        vision=size_of_vision(build_videoprism(dtype), dtype),
        sync=size_of_sync(build_synchformer(), dtype),
        text=size_of_text(build_t5gemma(dtype), dtype),
        transformer=size_of_transformer(model.eval(), dtype),
        decoder=size_of_decoder(codec.eval(), torch.float16 if dtype is torch.bfloat16 else dtype),
    )


def build_videoprism(dtype: torch.dtype) -> nn.Module:
    """The video tower of VideoPrism-LvT-large, 396 million parameters."""
    config = VideoPrismVisionConfig(
        image_size=288,
        num_frames=8,
        hidden_size=1024,
        num_attention_heads=16,
        intermediate_size=4096,
        num_spatial_layers=24,
        num_temporal_layers=4,
        num_auxiliary_layers=2,
        attn_logit_softcapping=50.0,
    )
    return videoprism.build(config, dtype)


def build_t5gemma(dtype: torch.dtype) -> nn.Module:
    """The encoder of t5gemma-l-l, 570 million parameters."""
    half = {
        "hidden_size": 1024,
        "intermediate_size": 2816,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "head_dim": 64,
        "vocab_size": 256_000,
    }
    return t5gemma.build(T5GemmaConfig(encoder=half, decoder=half, is_encoder_decoder=False), dtype)


if __name__ == "__main__":
    main()
