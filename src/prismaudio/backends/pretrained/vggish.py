"""VGGish, the ear behind FD_VGGish: 128 numbers for every 0.96 s, before the last rectifier and without PCA.

Hershey et al. 2017; the file is torchvggish's vggish-10086976.pth, the feeding that of av-benchmark (spec rewards.md 2).

Shapes: P patches, N samples, F bins, M = 64 mel bands, K = 96 frames of 10 ms in a patch.
"""

from functools import lru_cache
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from prismaudio.backends.extractor import Identity, Tensors
from prismaudio.backends.pretrained.digest import sha256
from prismaudio.backends.pretrained.listening import mono, triangles_over_mel
from prismaudio.models.checkpoints import check_fit, fill, read_tensors
from prismaudio.types import Audio

RATE = 16_000
WINDOW, HOP, SIZE = 400, 160, 512  # samples: 25 ms every 10 ms, filled up for the transform
BANDS, LOW, HIGH = 64, 125.0, 7500.0
OFFSET = 0.01  # added to band magnitudes before the logarithm
PATCH = 96  # frames
SHORTEST = WINDOW + (PATCH - 1) * HOP  # samples of one patch
EMBEDDING = 128


class VggishNetwork(nn.Module):
    """Six convolutions and three dense layers; numbered as in the published file."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for width in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool"):
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * 6 * 4, 4096),
            nn.ReLU(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, EMBEDDING),
        )

    def forward(self, patches: Tensor) -> Tensor:
        """patches: (P, K, M) log magnitudes -> (P, 128)"""
        x = self.features(patches[:, None])
        return self.embeddings(rearrange(x, "p c k m -> p (k m c)"))  # channels last, as it was trained


class Vggish:
    """A `SoundExtractor` with several rows of features for a sound, which FD pools over all sounds."""

    def __init__(self, network: VggishNetwork, digest: str) -> None:
        self.network = network.eval().requires_grad_(False)
        self.identity = Identity("VGGish", "1", digest)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """From the published file, strictly."""
        return cls(load_vggish(path), sha256(path))

    @torch.no_grad()
    def extract(self, audio: Audio) -> Tensors:
        """-> features (P, 128); shorter than 0.98 s is filled up with silence, a last partial patch left out"""
        return {"features": self.network(vggish_patches(mono(audio, RATE))).double()}


def vggish_patches(samples: Tensor) -> Tensor:
    """samples: (N,) at 16 kHz -> (P, K, M), without overlap"""
    samples = F.pad(samples.double(), (0, max(0, SHORTEST - len(samples))))
    frames = samples.unfold(0, WINDOW, HOP) * torch.hann_window(WINDOW, dtype=torch.float64)
    magnitude = torch.fft.rfft(frames, SIZE).abs()  # (frames, F)
    mel = torch.log(magnitude @ vggish_filters().T + OFFSET)
    whole = len(mel) // PATCH * PATCH
    return rearrange(mel[:whole], "(p k) m -> p k m", k=PATCH).float()


@lru_cache(maxsize=1)
def vggish_filters() -> Tensor:
    """-> (M, F) bands of magnitude."""
    hertz = torch.linspace(0, RATE / 2, SIZE // 2 + 1, dtype=torch.float64)
    return triangles_over_mel(hertz, BANDS, LOW, HIGH)


def load_vggish(path: Path) -> VggishNetwork:
    """The network of the published file."""
    state = read_tensors(path)
    with torch.device("meta"):
        network = VggishNetwork()
    check_fit(state, {name: tensor.shape for name, tensor in network.state_dict().items()}, path)
    fill(network, state)
    return network
