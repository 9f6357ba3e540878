"""A VideoLLaMA2.1 of random weights and some eighty thousand parameters, in a folder laid out as the published one.

Names and shapes are listed here once more, from the published programs and not from ours: transformers' Qwen2ForCausalLM
and (4.42) SiglipVisionModel, VideoLLaMA2's projector.py, timm 1.0.3's regnet.py. Its tokens are bytes.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import pre_tokenizers
from torch import Tensor

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
BYTES = 256
WIDTH, KEYS, INNER, LAYERS = 32, 16, 48, 2  # of the language model
CHANNELS, HIDDEN, DEPTH, SIDE, PATCH = 12, 20, 3, 56, 14  # of the vision tower
PICTURES = 4
TEMPLATE = (  # writes what that of Qwen2-7B-Instruct writes
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONFIG = {
    "architectures": ["Videollama2Qwen2ForCausalLM"],
    "model_type": "videollama2_qwen2",
    "hidden_act": "silu",
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "sliding_window": 131072,
    "use_sliding_window": False,
    "tie_word_embeddings": False,
    "vocab_size": BYTES + len(SPECIAL),
    "eos_token_id": BYTES + SPECIAL.index("<|im_end|>"),
    "mm_hidden_size": CHANNELS,
    "mm_projector_type": "stc_connector_v35",
    "mm_vision_select_feature": "patch",
    "mm_vision_select_layer": -2,
    "num_frames": PICTURES,
    "torch_dtype": "float32",
    "transformers_version": "4.42.3",
}
TOWER_CONFIG = {
    "model_type": "siglip",
    "text_config": {"model_type": "siglip_text_model"},
    "vision_config": {
        "model_type": "siglip_vision_model",
        "hidden_size": CHANNELS,
        "intermediate_size": HIDDEN,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": PATCH,
    },
}
TOWER = "model.vision_tower.vision_tower."

Shapes = dict[str, tuple[int, ...]]


def language_shapes() -> Shapes:
    vocabulary = BYTES + len(SPECIAL)
    shapes: Shapes = {"model.embed_tokens.weight": (vocabulary, WIDTH), "lm_head.weight": (vocabulary, WIDTH)}
    shapes["model.norm.weight"] = (WIDTH,)
    for k in range(LAYERS):
        layer = f"model.layers.{k}."
        for name, rows in (("q", WIDTH), ("k", KEYS), ("v", KEYS)):
            shapes[f"{layer}self_attn.{name}_proj.weight"] = (rows, WIDTH)
            shapes[f"{layer}self_attn.{name}_proj.bias"] = (rows,)
        shapes[f"{layer}self_attn.o_proj.weight"] = (WIDTH, WIDTH)
        shapes[f"{layer}mlp.gate_proj.weight"] = shapes[f"{layer}mlp.up_proj.weight"] = (INNER, WIDTH)
        shapes[f"{layer}mlp.down_proj.weight"] = (WIDTH, INNER)
        shapes[f"{layer}input_layernorm.weight"] = shapes[f"{layer}post_attention_layernorm.weight"] = (
            WIDTH,
        )
    return shapes


def tower_shapes() -> Shapes:
    """As in SigLIP's own file: below "vision_model."."""
    c, h = CHANNELS, HIDDEN
    shapes: Shapes = {
        "embeddings.patch_embedding.weight": (c, 3, PATCH, PATCH),
        "embeddings.patch_embedding.bias": (c,),
        "embeddings.position_embedding.weight": ((SIDE // PATCH) ** 2, c),
        "head.probe": (1, 1, c),
        "head.attention.in_proj_weight": (3 * c, c),
        "head.attention.in_proj_bias": (3 * c,),
    }
    square, norms, mlps = ["head.attention.out_proj"], ["post_layernorm", "head.layernorm"], ["head.mlp"]
    for k in range(DEPTH):
        layer = f"encoder.layers.{k}."
        square += [f"{layer}self_attn.{name}_proj" for name in ("k", "v", "q", "out")]
        norms += [f"{layer}layer_norm1", f"{layer}layer_norm2"]
        mlps.append(f"{layer}mlp")
    linear = [(name, (c, c)) for name in square] + [(name, (c,)) for name in norms]
    linear += [(f"{name}.fc1", (h, c)) for name in mlps] + [(f"{name}.fc2", (c, h)) for name in mlps]
    for name, shape in linear:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    return {f"vision_model.{name}": shape for name, shape in shapes.items()}


def connector_shapes() -> Shapes:
    shapes: Shapes = dict(_stage("s1", CHANNELS)) | dict(_stage("s2", WIDTH))
    shapes["sampler.0.weight"], shapes["sampler.0.bias"] = (WIDTH, WIDTH, 2, 2, 2), (WIDTH,)
    for k in (0, 2):
        shapes[f"readout.{k}.weight"], shapes[f"readout.{k}.bias"] = (WIDTH, WIDTH), (WIDTH,)
    return {f"model.mm_projector.{name}": shape for name, shape in shapes.items()}


def _stage(name: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for k in range(1, 5):
        block, given = f"{name}.b{k}.", channels if k == 1 else WIDTH
        convolutions = {"conv1": (given, 1), "conv2": (1, 3), "conv3": (WIDTH, 1)}
        if given != WIDTH:
            convolutions["downsample"] = (given, 1)
        for part, (inputs, kernel) in convolutions.items():
            yield f"{block}{part}.conv.weight", (WIDTH, inputs, kernel, kernel)
            yield f"{block}{part}.bn.weight", (WIDTH,)
            yield f"{block}{part}.bn.bias", (WIDTH,)
        hidden = round(0.25 * given)
        yield f"{block}se.fc1.weight", (hidden, WIDTH, 1, 1)
        yield f"{block}se.fc1.bias", (hidden,)
        yield f"{block}se.fc2.weight", (WIDTH, hidden, 1, 1)
        yield f"{block}se.fc2.bias", (WIDTH,)


def drawn(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Random, so that nothing that is multiplied or added goes unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in sorted(shapes.items()):
        spread = 0.3 if len(shape) < 2 else (shape[1] * (shape[-1] if len(shape) > 2 else 1)) ** -0.5
        state[name] = torch.randn(shape, generator=generator) * spread + float(name.endswith("norm.weight"))
    return state


def weights(tower: bool = True) -> dict[str, Tensor]:
    shapes = language_shapes() | connector_shapes()
    if tower:
        shapes |= {f"{TOWER}{name}": shape for name, shape in tower_shapes().items()}
    return drawn(shapes)


def save(folder: Path, state: dict[str, Tensor] | None = None) -> None:
    """Two shards, config, tokenizer, and a SigLIP beside, as `mm_vision_tower` says."""
    folder.mkdir(exist_ok=True)
    save_shards(folder, weights() if state is None else state)
    save_tower(folder / "siglip")
    save_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG | {"mm_vision_tower": str(folder / "siglip")}))


def save_shards(folder: Path, state: dict[str, Tensor]) -> None:
    names = sorted(state)
    shards = {
        "model-00001-of-00002.safetensors": names[: len(names) // 2],
        "model-00002-of-00002.safetensors": names[len(names) // 2 :],
    }
    for shard, held in shards.items():
        save_file({name: state[name] for name in held}, folder / shard, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: shard for shard, held in shards.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def save_tower(folder: Path) -> None:
    """As google/siglip-so400m-patch14-384: with a half that reads, too."""
    folder.mkdir(exist_ok=True)
    unused = {"text_model.head.weight": (4, 4), "logit_scale": (1,), "logit_bias": (1,)}
    save_file(drawn(tower_shapes() | unused, seed=1), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(TOWER_CONFIG))


def save_tokenizer(folder: Path) -> None:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    (folder / "vocab.json").write_text(json.dumps({token: k for k, token in enumerate(alphabet)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    kind = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    added = {str(BYTES + k): {"content": token, **kind} for k, token in enumerate(SPECIAL)}
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "added_tokens_decoder": added,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
