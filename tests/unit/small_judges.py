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
    """Weights of a size at which signals neither vanish nor grow; norms change nothing."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {
        name: torch.randn(shape, generator=generator) / max(1, shape[-1] if shape else 1) ** 0.5
        for name, shape in shapes.items()
    }
    norms = {name for name in shapes if len(shapes[name]) == 1 and "norm" in name and name.endswith("weight")}
    return drawn | {name: torch.ones(shapes[name]) for name in norms}


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


def roberta_tokenizer(folder: Path) -> Path:
    """RoBERTa's tokenizer without its merges."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    words = ["<s>", "<pad>", "</s>", "<unk>", *bytes_to_unicode().values(), "<mask>"]
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder


def laion_file(path: Path) -> Path:
    """As LAION's trainer wrote it: names of several cards, NumPy's numbers beside, parts of the training."""
    import numpy as np
    from transformers import RobertaConfig, RobertaModel

    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=261,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=32,
        max_position_embeddings=90,
        type_vocab_size=1,
        pad_token_id=1,
    )
    names = {f"text_branch.{name}": tensor for name, tensor in RobertaModel(config).state_dict().items()}
    names |= {f"audio_branch.{name}": tensor for name, tensor in htsat_state().items()}
    layers = {
        f"{half}_{part}.{n}"
        for half in ("text", "audio")
        for part in ("projection", "transform")
        for n in (0, 2)
    }
    names |= random_state(
        {
            f"{layer}.{kind}": torch.Size(
                (12, 16 if layer.endswith("projection.0") else 12)[: 1 + (kind == "weight")]
            )
            for layer in sorted(layers)
            for kind in ("weight", "bias")
        }
    )
    names |= {"logit_scale_a": torch.tensor(3.0), "logit_scale_t": torch.tensor(3.0)}
    state = {f"module.{name}": tensor for name, tensor in names.items()}
    torch.save({"epoch": 15, "name": "small", "best": np.float64(89.98), "state_dict": state}, path)
    return path


def synchformer_file(path: Path) -> Path:
    """All of Synchformer with pictures of four patches, by its published names."""
    from transformers import ASTConfig

    from prismaudio.backends.pretrained.synchformer_audio import SoundSegments
    from prismaudio.backends.pretrained.synchformer_network import Synchformer, published_name
    from prismaudio.models.motionformer import Motionformer
    from prismaudio.models.sync_head import SyncHead

    torch.manual_seed(0)
    ears = ASTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=32,
        max_length=66,
        num_mel_bins=128,
    )
    network = Synchformer(
        Motionformer(width=16, depth=1, heads=1, patch=112, grid=2),
        SoundSegments(ears),
        SyncHead(width=16, depth=1, heads=1, tokens=198),
    )
    shapes = {published_name(name): tensor.shape for name, tensor in network.state_dict().items()}
    state = random_state(shapes) | {"vfeat_extractor.patch_embed.proj.bias": torch.zeros(16)}
    torch.save({"model": {f"module.{name}": tensor for name, tensor in state.items()}}, path)
    return path


SCALES = {
    "CE": {"mean": 5.0, "std": 1.0},
    "CU": {"mean": 5.25, "std": 1.1},
    "PC": {"mean": 5.5, "std": 1.2},
    "PQ": {"mean": 5.75, "std": 1.3},
}


def audiobox_state(depth: int = 2) -> dict[str, Tensor]:
    """A small Audiobox Aesthetics by its published names; depth: of the heads, with a norm after all but the last."""
    width, kernels = 16, (10, 3, 3, 3, 3, 2, 2)
    wavlm: dict[str, tuple[int, ...]] = {
        "mask_emb": (width,),
        "feature_extractor.conv_layers.0.2.weight": (8,),
        "feature_extractor.conv_layers.0.2.bias": (8,),
        "post_extract_proj.weight": (width, 8),
        "post_extract_proj.bias": (width,),
        "encoder.pos_conv.0.bias": (width,),
        "encoder.pos_conv.0.weight_g": (1, 1, 9),
        "encoder.pos_conv.0.weight_v": (width, width // 2, 9),
        "encoder.layers.0.self_attn.relative_attention_bias.weight": (320, 2),
        "layer_norm.weight": (8,),
        "layer_norm.bias": (8,),
        "encoder.layer_norm.weight": (width,),
        "encoder.layer_norm.bias": (width,),
    }
    for n, kernel in enumerate(kernels):
        wavlm[f"feature_extractor.conv_layers.{n}.0.weight"] = (8, 8 if n else 1, kernel)
    for n in range(2):
        layer = f"encoder.layers.{n}"
        linear = {f"self_attn.{part}_proj": (width, width) for part in ("q", "k", "v", "out")}
        linear |= {"self_attn.grep_linear": (8, width // 2), "fc1": (32, width), "fc2": (width, 32)}
        for name, shape in linear.items():
            wavlm |= {f"{layer}.{name}.weight": shape, f"{layer}.{name}.bias": shape[:1]}
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            wavlm |= {f"{layer}.{name}.weight": (width,), f"{layer}.{name}.bias": (width,)}
        wavlm[f"{layer}.self_attn.grep_a"] = (1, 2, 1, 1)
    shapes = {f"wavlm_model.{name}": shape for name, shape in wavlm.items()}
    for axis in SCALES:
        shapes[f"layer_weights.{axis}"] = (3,)
        for n in range(depth):
            last = n == depth - 1
            head = f"proj_layer.{axis}.{3 * n}"
            shapes |= {
                f"{head}.weight": (1 if last else width, width),
                f"{head}.bias": (1 if last else width,),
            }
            if not last:
                norm = f"proj_layer.{axis}.{3 * n + 1}"
                shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    return random_state({name: torch.Size(shape) for name, shape in shapes.items()})


def audiobox_file(path: Path, depth: int = 2) -> Path:
    """As the paper's."""
    state = {f"model.{name}": tensor for name, tensor in audiobox_state(depth).items()}
    settings = {"proj_num_layer": depth, "proj_ln": True, "proj_act_fn": "gelu", "normalize_embed": True}
    torch.save({"state_dict": state, "model_cfg": settings, "target_transform": SCALES}, path)
    return path


def crw_file(path: Path) -> Path:
    """StereoCRW of its only size, as several cards wrote it."""
    from prismaudio.models.stereocrw import StereoCRW, published_name

    torch.manual_seed(0)
    state = {f"module.{published_name(name)}": t for name, t in StereoCRW().state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, path)
    return path


def embedded_files(folder: Path) -> Path:
    """The four embedded judges, untrained, as the package ships the trained ones."""
    from prismaudio.backends.embedded.judges import FILES
    from prismaudio.models.checkpoints import save_weights
    from prismaudio.models.judges import AudioTextNetwork, OffsetNetwork, QualityNetwork, SeenPlaceNetwork

    torch.manual_seed(0)
    networks = {
        "words": AudioTextNetwork(),
        "offset": OffsetNetwork(),
        "cleanness": QualityNetwork(),
        "place": SeenPlaceNetwork(),
    }
    folder.mkdir(exist_ok=True)
    for name, network in networks.items():
        save_weights(folder / FILES[name], network, {})
    return folder


def small_eyes(*_: object) -> torch.nn.Module:
    """What stands for the ViT of timm that PE-AV sees through."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=28,
        patch_size=14,
        num_labels=16,
    )
    return ViTForImageClassification(config)


def peav_folder(folder: Path, pictures: int | None = 4) -> Path:
    """PE-AV in transformers format; `small_eyes` must have been put in the place of timm's."""
    from transformers import (
        DacConfig,
        ModernBertConfig,
        PeAudioEncoderConfig,
        PeAudioVideoConfig,
        PeAudioVideoEncoderConfig,
        PeAudioVideoModel,
        PeVideoEncoderConfig,
        TimmWrapperConfig,
    )

    layer = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    small = layer | {"head_dim": 8}
    codec = DacConfig(encoder_hidden_size=4, downsampling_ratios=[2, 8, 10, 12], codebook_dim=8)
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    eyes = TimmWrapperConfig(architecture="small", num_labels=16)
    torch.manual_seed(0)
    network = PeAudioVideoModel(
        PeAudioVideoConfig(
            text_config=ModernBertConfig(vocab_size=64, **layer, **tokens),
            audio_video_config=PeAudioVideoEncoderConfig(
                audio_config=PeAudioEncoderConfig(dac_config=codec, **small),
                video_config=PeVideoEncoderConfig(vision_config=eyes, **small),
                **small,
            ),
        )
    )
    for weight in network.parameters():
        if weight.ndim > 1:  # at their first size little that goes in comes out
            torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    network.save_pretrained(folder)
    settings = json.loads((folder / "config.json").read_text())
    settings["audio_video_config"]["video_config"]["vision_config"]["num_labels"] = 16  # which it forgets
    (folder / "config.json").write_text(json.dumps(settings))
    looks = {"size": {"height": 28, "width": 28}, "num_frames": pictures}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(looks))
    return folder
