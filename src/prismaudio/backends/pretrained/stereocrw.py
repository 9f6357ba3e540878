"""The judge of direction behind the CRW of published tables. Its weights are nowhere to be had, so a path is given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from prismaudio.backends.base import Sounds
from prismaudio.backends.embedded.interaural import WORST_DELAY, closeness, directed
from prismaudio.backends.pretrained.digest import sha256
from prismaudio.models.checkpoints import check_fit, fill, read_tensors
from prismaudio.models.interaural import RATE
from prismaudio.models.resampling import resample
from prismaudio.models.stereocrw import BEWO, Geometry, StereoCRW, delays, likeness, published_name

PARALLEL = "module."  # before names, if the file was written by several cards
DIGITS = 12  # of the digest, in the name
FAST = Geometry(stride=4, patches=76)  # 64 patches have all their counterparts
FAST_WINDOWS = 1.0  # a second


class StereoCRWJudge:
    """A `SpatialJudge`. As BEWO runs it, ten windows a second take a card: of 100 windows, each is 20 s of processor."""

    def __init__(
        self, network: StereoCRW, digest: str, geometry: Geometry = BEWO, windows_a_second: float = 10.0
    ) -> None:
        """Another geometry or rate than the published one is another measure, and is named so."""
        self.network = network.eval().requires_grad_(False)
        self.geometry = geometry
        self.windows_a_second = windows_a_second
        published = geometry == BEWO and windows_a_second == 10.0
        self.name = f"{'crw' if published else 'crw_fast'}@{digest[:DIGITS]}"
        self.versions: Mapping[str, str] = {
            "weights": digest,
            "preparation": f"16 kHz, {geometry}, {windows_a_second:g} windows a second",
        }

    @classmethod
    def from_file(
        cls,
        path: Path,
        device: torch.device | str = "cpu",
        geometry: Geometry = BEWO,
        windows_a_second: float = 10.0,
    ) -> Self:
        """`FreeMusic-StereoCRW-1024.pth.tar`; it is never downloaded."""
        return cls(load(path).to(device), sha256(path), geometry, windows_a_second)

    def delays(self, sounds: Sounds) -> Tensor:
        """-> (B, T) seconds by which the right channel lags, one a window"""
        return self.patch_delays(sounds).mean(dim=-1)

    @torch.no_grad()
    def patch_delays(self, sounds: Sounds) -> Tensor:
        """-> (B, T, P) seconds by which the right channel lags: of every patch with all its counterparts"""
        assert not self.network.training
        audio = resample(sounds.samples.float().to(self.network.window.device), sounds.sample_rate, RATE)
        size, hop = self.geometry.samples, round(RATE / self.windows_a_second)
        over = audio.shape[-1] - size
        windows = F.pad(audio, (0, max(-over, -over % hop))).unfold(-1, size, hop)  # (B, 2, T, size)
        found = [
            torch.stack([self._delays(window) for window in clip.unbind(dim=1)]) for clip in windows.unbind()
        ]
        return torch.stack(found)

    def score(self, sounds: Sounds, references: Sounds) -> Tensor:
        """-> (B,) 0 to 1; NaN where the reference is mono or silent"""
        score = closeness(self.delays(sounds), self.delays(references), WORST_DELAY)
        return torch.where(directed(references).to(score.device), score, torch.nan)

    def _delays(self, window: Tensor) -> Tensor:
        """(2, geometry.samples) -> (P,) seconds"""
        left, right = (self.network.embed(channel[None], self.geometry) for channel in window)
        return delays(likeness(left, right), self.geometry)[0]


def load(path: Path) -> StereoCRW:
    """The network in a file of the published layout, strictly."""
    network = StereoCRW()
    state = {name.removeprefix(PARALLEL): tensor for name, tensor in read_tensors(path).items()}
    own = network.state_dict()
    check_fit(state, {published_name(name): tensor.shape for name, tensor in own.items()}, path)
    fill(network, {name: state[published_name(name)] for name in own})
    return network
