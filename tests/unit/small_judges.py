"""Files of the published judges' layouts with small random networks in them, and sounds to judge."""

import json
from pathlib import Path

import torch
from torch import Tensor

from prismaudio.backends.base import Sounds

RATE = 44_100
WORDS = 257  # GPT-2's bytes and the end of text


def noise(seconds: float, count: int = 1, channels: int = 2, rate: int = RATE, seed: int = 0) -> Sounds:
    """Unlike sounds of one length, at a tenth of full scale."""
    generator = torch.Generator().manual_seed(seed)
    return Sounds(0.1 * torch.randn(count, channels, round(seconds * rate), generator=generator), rate)


def gpt2_tokenizer(folder: Path) -> Path:
    """GPT-2's tokenizer without its merges: every byte is a token."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    words = [*bytes_to_unicode().values(), "<|endoftext|>"]
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder


def random_state(shapes: dict[str, torch.Size], seed: int = 0) -> dict[str, Tensor]:
    """Weights of a size at which signals neither vanish nor grow."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator) / max(1, shape[-1] if shape else 1) ** 0.5
        for name, shape in shapes.items()
    }


def htsat_shapes(
    width: int = 8, depths: tuple[int, ...] = (1, 1), heads: tuple[int, ...] = (1, 2)
) -> dict[str, torch.Size]:
    """The published names of a small HTSAT."""
    shapes = {
        "bn0.weight": (64,),
        "bn0.bias": (64,),
        "bn0.running_mean": (64,),
        "bn0.running_var": (64,),
        "patch_embed.proj.weight": (width, 1, 4, 4),
        "patch_embed.proj.bias": (width,),
        "patch_embed.norm.weight": (width,),
        "patch_embed.norm.bias": (width,),
        "tscam_conv.weight": (5, 8, 2, 3),
    }
    for layer, (depth, count) in enumerate(zip(depths, heads, strict=True)):
        dim = width * 2**layer
        for block in range(depth):
            name = f"layers.{layer}.blocks.{block}"
            shapes |= {
                f"{name}.{norm}.{kind}": (dim,) for norm in ("norm1", "norm2") for kind in ("weight", "bias")
            }
            shapes |= {
                f"{name}.attn.relative_position_bias_table": (225, count),
                f"{name}.attn.qkv.weight": (3 * dim, dim),
                f"{name}.attn.qkv.bias": (3 * dim,),
                f"{name}.attn.proj.weight": (dim, dim),
                f"{name}.attn.proj.bias": (dim,),
                f"{name}.mlp.fc1.weight": (4 * dim, dim),
                f"{name}.mlp.fc1.bias": (4 * dim,),
                f"{name}.mlp.fc2.weight": (dim, 4 * dim),
                f"{name}.mlp.fc2.bias": (dim,),
            }
        if layer + 1 < len(depths):
            shapes |= {
                f"layers.{layer}.downsample.reduction.weight": (2 * dim, 4 * dim),
                f"layers.{layer}.downsample.norm.weight": (4 * dim,),
                f"layers.{layer}.downsample.norm.bias": (4 * dim,),
            }
    last = width * 2 ** (len(depths) - 1)
    shapes |= {"norm.weight": (last,), "norm.bias": (last,)}
    return {name: torch.Size(shape) for name, shape in shapes.items()}


def htsat_state(seed: int = 0, **sizes: int) -> dict[str, Tensor]:
    state = random_state(htsat_shapes(**sizes), seed)
    state["bn0.running_mean"] = torch.full((64,), -40.0)  # decibels
    state["bn0.running_var"] = torch.full((64,), 400.0)
    return state


def gpt2_state(width: int = 16) -> dict[str, Tensor]:
    """Published names of a GPT-2 of one layer."""
    from transformers import GPT2Config, GPT2Model

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=WORDS,
        n_positions=77,
        n_embd=width,
        n_head=1,
        n_layer=1,
        bos_token_id=256,
        eos_token_id=256,
    )
    return GPT2Model(config).state_dict()


def msclap_file(path: Path, heard: dict[str, Tensor] | None = None, dim: int = 12) -> Path:
    """heard: what comes after "audio_encoder." """
    if heard is None:
        heard = {f"base.htsat.{name}": tensor for name, tensor in htsat_state().items()} | projection(16, dim)
    text = {f"base.{name}": tensor for name, tensor in gpt2_state().items()} | projection(16, dim)
    state = {f"audio_encoder.{name}": tensor for name, tensor in heard.items()}
    state |= {f"caption_encoder.{name}": tensor for name, tensor in text.items()}
    torch.save({"model": state | {"logit_scale": torch.tensor(3.0)}}, path)
    return path


def projection(inputs: int, outputs: int) -> dict[str, Tensor]:
    names = {
        "projection.linear1.weight": (outputs, inputs),
        "projection.linear2.weight": (outputs, outputs),
        "projection.layer_norm.weight": (outputs,),
        "projection.layer_norm.bias": (outputs,),
    }
    return random_state({name: torch.Size(shape) for name, shape in names.items()}, seed=1)
