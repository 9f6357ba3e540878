"""How good does it sound? Audiobox Aesthetics, four axes from about 1 to 10 (arXiv 2502.05139).

It hears 16 kHz mono: nothing above 8 kHz and no stereo is judged. Shapes: B sounds, N samples, W windows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor

from prismaudio.backends.base import Sounds
from prismaudio.backends.pretrained.audiobox_network import AXES, Aesthetics, Scale, load
from prismaudio.backends.pretrained.digest import sha256
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.models.resampling import resample

HUB_ID = "facebook/audiobox-aesthetics"
WANTED = ("model.safetensors", "config.json")
PAPER_FILE = "checkpoint.pt"
RATE = 16_000  # Hz
WINDOW = 10 * RATE  # samples


class AudioboxJudge:
    """A `QualityJudge`: CE enjoyment, CU usefulness, PC complexity (no virtue and no vice), PQ quality."""

    name = "audiobox-aesthetics"
    axes = AXES

    def __init__(
        self,
        network: Aesthetics,
        scales: Mapping[str, Scale],
        digest: str = "",
        windows_per_batch: int | None = None,
    ) -> None:
        """windows_per_batch: default, 8, and 1 on a processor, which several would only slow down."""
        self.network = network.eval().requires_grad_(False)
        self.scales = scales
        on_processor = next(network.parameters()).device.type == "cpu"
        self.windows_per_batch = windows_per_batch or (1 if on_processor else 8)
        self.versions: Mapping[str, str] = {
            "weights": digest,
            "preparation": "mono 16 kHz, sinc of 6 zeros, windows of 10 s weighed by their length",
        }

    @classmethod
    def from_pretrained(cls, source: str | Path = HUB_ID, device: torch.device | str = "cpu") -> Self:
        """source: the paper's checkpoint.pt, a folder of it or of the hub's files, or a hub repository."""
        path = Path(source) if Path(source).is_file() else resolve(source, WANTED)
        if path.is_dir() and not (path / WANTED[0]).is_file() and (path / PAPER_FILE).is_file():
            path = path / PAPER_FILE
        network, scales = load(path)
        return cls(network.to(device), scales, sha256(path / WANTED[0] if path.is_dir() else path))

    @torch.no_grad()
    def score(self, sounds: Sounds) -> Tensor:
        """-> (B, 4) points of CE, CU, PC and PQ"""
        assert not self.network.training
        device = next(self.network.parameters()).device
        audio = resample(sounds.samples.float().to(device), sounds.sample_rate, RATE).mean(dim=1)
        length = audio.shape[-1]
        windows = F.pad(audio, (0, -length % WINDOW)).unfold(-1, WINDOW, WINDOW)  # (B, W, WINDOW)
        real = rearrange(torch.arange(windows[0].numel(), device=device) < length, "(w n) -> w n", n=WINDOW)
        parts = zip(
            torch.split(rearrange(windows, "b w n -> (b w) n"), self.windows_per_batch),
            torch.split(repeat(real, "w n -> (b w) n", b=len(audio)), self.windows_per_batch),
            strict=True,
        )
        raw = rearrange(torch.cat([self.network(*part) for part in parts]), "(b w) a -> b w a", b=len(audio))
        mean, std = (
            torch.tensor([getattr(self.scales[axis], kind) for axis in AXES], device=device)
            for kind in ("mean", "std")
        )
        weights = real.sum(dim=-1).float()
        return torch.einsum("bwa,w->ba", raw * std + mean, weights / weights.sum())
