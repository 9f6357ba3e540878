"""Files as the authors publish them, name for name, of networks small enough for tests."""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from prismaudio.backends.pretrained.synchformer import published_name as synchformer_name
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.motionformer import Motionformer
from prismaudio.models.oobleck import OobleckVAE
from prismaudio.models.published import VAE_PREFIX, expected_shapes, expected_vae_shapes, facts

sys.path.insert(0, str(Path(__file__).parents[1] / "parity"))

import deterministic  # noqa: E402  # of the parity tests

TRANSFORMER = {
    "latent_channels": 4,
    "width": 64,
    "depth": 2,
    "heads": 2,
    "video_dim": 8,
    "text_dim": 64,
    "sync_dim": 12,
}
CODEC = {
    "audio_channels": 2,
    "channels": 4,
    "multipliers": (1, 3),
    "strides": (2, 4),
    "latent_channels": 4,
    "sample_rate": 44_100,
}
SYNCHFORMER = {"width": 64, "depth": 2, "heads": 1, "patch": 4, "grid": 2, "frames": 8}


def prismaudio_state() -> dict[str, Tensor]:
    """Everything prismaudio.ckpt holds."""
    with torch.device("meta"):
        model, vae = ConditionedDiT(**TRANSFORMER), OobleckVAE(**CODEC)
    shapes = expected_shapes(model) | {
        f"{VAE_PREFIX}{name}": shape for name, shape in expected_vae_shapes(vae).items()
    }
    return deterministic.state(shapes) | facts(model)


def vae_state() -> dict[str, Tensor]:
    """What vae.ckpt holds under "state_dict": another codec, and what trained it."""
    with torch.device("meta"):
        shapes = expected_vae_shapes(OobleckVAE(**CODEC))
    codec = {f"autoencoder.{name}": deterministic.weight(name, shape) * 1.5 for name, shape in shapes.items()}
    return codec | {"discriminator.weight": torch.ones(3), "autoencoder_ema.step": torch.ones(1)}


def synchformer_state() -> dict[str, Tensor]:
    """What synchformer_state_dict.pth holds: the half that sees, with weights nothing reads, and the rest."""
    network: nn.Module = Motionformer(**SYNCHFORMER)
    visual = {
        name: deterministic.normal(name, tuple(tensor.shape)) * 0.1
        for name, tensor in ((synchformer_name(n), t) for n, t in network.state_dict().items())
    }
    unused = {"vfeat_extractor.patch_embed.proj.bias": torch.ones(64)}
    return visual | unused | {"afeat_extractor.weight": torch.ones(2), "transformer.weight": torch.ones(2)}


def write_published(folder: Path) -> Path:
    """The three files in `folder`."""
    torch.save(prismaudio_state(), folder / "prismaudio.ckpt")
    content = {"state_dict": vae_state(), "epoch": 3, "optimizer_states": [{"step": torch.ones(1)}]}
    torch.save(content, folder / "vae.ckpt")
    torch.save(synchformer_state(), folder / "synchformer_state_dict.pth")
    return folder
