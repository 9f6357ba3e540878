"""StereoCRW: a network that finds the right channel's moment for every moment of the left (arXiv 2204.07118).

Patches of both channels, one per lag, become unit vectors; the delay is read off which of them are alike.
Signs as in `interaural`: positive where the right channel lags. Shapes: B batch, N samples, P patches, D width.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from prismaudio.models.interaural import RATE

SPECTRUM = 256  # samples of a transform
GRID = 128  # frames and bins of a patch
WIDTHS = (64, 128, 256, 512)
DIM = 128
TEMPERATURE = 0.05
IN_VAIN = -1e20  # a likeness that nothing has; what the published code puts outside the band
HEAD_RADIUS, DISTANCE, SPEED_OF_SOUND = 0.09, 1.5, 340.0  # metres and metres a second


class Geometry(NamedTuple):
    """Which patches are compared."""

    seconds: float = 0.24  # of a patch
    stride: int = 1  # samples from one to the next
    patches: int = 513
    longest: float = 1.5e-3  # delay in seconds

    @property
    def patch(self) -> int:
        """Samples of a patch."""
        return int(self.seconds * RATE)

    @property
    def samples(self) -> int:
        """Samples all patches take."""
        return self.patch + (self.patches - 1) * self.stride

    @property
    def reach(self) -> int:
        """Patches to either side that may be a patch's counterpart."""
        return int(RATE * self.longest / self.stride)


BEWO = Geometry()  # of the published metric


class StereoCRW(nn.Module):
    """The published network: a residual one of nine layers, in front of which stands the window of its spectra."""

    def __init__(self) -> None:
        super().__init__()
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(SPECTRUM))
        self.conv1 = nn.Conv2d(2, WIDTHS[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        inputs = (WIDTHS[0], *WIDTHS)
        for number, (narrow, wide) in enumerate(zip(inputs, WIDTHS, strict=False), start=1):
            self.add_module(f"layer{number}", nn.Sequential(Block(narrow, wide)))
        self.fc = nn.Linear(WIDTHS[-1], DIM)

    def forward(self, spectra: Tensor) -> Tensor:
        """spectra: (n, 2, GRID, GRID) real and imaginary -> (n, D)"""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(spectra))), 3, stride=2, padding=1)
        for number in range(1, len(WIDTHS) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        return self.fc(x.mean(dim=(2, 3)))

    def embed(self, channel: Tensor, geometry: Geometry, at_once: int = 64) -> Tensor:
        """channel: (B, N), N = geometry.samples at 16 kHz -> (B, P, D)"""
        patches = channel.unfold(-1, geometry.patch, geometry.stride).flatten(0, 1)
        vectors = [self(self.spectra(few)) for few in patches.split(at_once)]
        return torch.cat(vectors).unflatten(0, (len(channel), -1))

    def spectra(self, patches: Tensor) -> Tensor:
        """patches: (n, samples) -> (n, 2, GRID frames, GRID bins), real and imaginary"""
        hop = patches.shape[-1] // GRID
        spectrum = torch.stft(patches, SPECTRUM, hop, window=self.window, return_complex=True)
        return rearrange(torch.view_as_real(spectrum), "n f t two -> n two t f")[:, :, :-1, :-1]


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        if stride > 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h / stride, w / stride)"""
        around = self.downsample(x) if hasattr(self, "downsample") else x
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + around)


def likeness(left: Tensor, right: Tensor) -> Tensor:
    """(B, P, D) twice -> (B, P, P): how alike patch i of the left and patch j of the right are"""
    return F.normalize(left, dim=-1) @ F.normalize(right, dim=-1).mT / TEMPERATURE


def counterparts(alike: Tensor, reach: int) -> Tensor:
    """(B, P, P) -> (B, P, P): how likely j is i's counterpart, among those at most `reach` away"""
    place = torch.arange(alike.shape[-1], device=alike.device)
    near = (place - place[:, None]).abs() <= reach
    # the published code masks by a product, and so takes a likeness of exactly zero for one outside the band
    return torch.where(near & (alike != 0), alike, IN_VAIN).softmax(dim=-1)


def lags(patches: int, stride: int, like: Tensor) -> Tensor:
    """-> (P, P) seconds by which patch j is later than patch i"""
    place = torch.arange(patches, device=like.device)
    return (place - place[:, None]) * stride / RATE


def delays(alike: Tensor, geometry: Geometry) -> Tensor:
    """(B, P, P) -> (B, P - 2 reach) seconds: the expected delay of every patch whose counterparts are all there"""
    chances = counterparts(alike, geometry.reach)
    expected = (chances * lags(alike.shape[-1], geometry.stride, alike)).sum(dim=-1)
    return expected[:, geometry.reach : -geometry.reach]


def likeliest_delays(alike: Tensor, geometry: Geometry) -> Tensor:
    """As `delays`, of the likeliest counterpart alone."""
    best = counterparts(alike, geometry.reach).argmax(dim=-1)
    here = torch.arange(alike.shape[-1], device=alike.device)
    return ((best - here) * geometry.stride / RATE)[:, geometry.reach : -geometry.reach]


def both_ways(alike: Tensor, geometry: Geometry) -> Tensor:
    """As `delays`, asked from the left and from the right: (B, 2 (P - 2 reach))"""
    return torch.cat([delays(alike, geometry), -delays(alike.mT, geometry)], dim=-1)


def consistent_delays(alike: Tensor, geometry: Geometry) -> list[Tensor]:
    """One tensor a clip: delays of the patches that are led back to themselves, by the way to the right and back."""
    there, back = counterparts(alike, geometry.reach), counterparts(alike.mT, geometry.reach)
    expected = (there * lags(alike.shape[-1], geometry.stride, alike)).sum(dim=-1)
    home = (there @ back).argmax(dim=-1) == torch.arange(alike.shape[-1], device=alike.device)
    return [clip[kept] for clip, kept in zip(expected, home, strict=True)]


def pooled(delays: Tensor, count: int = 256) -> Tensor:
    """(B, P) -> (B, count): means of neighbours, what FSAD compares"""
    return F.adaptive_avg_pool1d(delays, count)


def most_agreed(delays: Tensor, tolerance: float = 0.05) -> Tensor:
    """delays: (P,) seconds -> their mean where most of them lie, at most `tolerance` samples apart"""
    samples = delays * RATE
    candidates = torch.linspace(float(samples.min()), float(samples.max()), 1001, device=delays.device)
    agree = (candidates[:, None] - samples).abs() <= tolerance
    count = agree.sum(dim=-1)
    best = (count == count.max()).nonzero()[:, 0]
    return samples[agree[best[len(best) // 2]]].mean() / RATE


def delay_of_angle(degrees: Tensor) -> Tensor:
    """Seconds by which the right ear hears a source later; degrees: (...), positive to the right -> (...)"""
    turned = torch.stack([90 + degrees, 90 - degrees]) * torch.pi / 180
    squares = HEAD_RADIUS**2 + DISTANCE**2 - 2 * HEAD_RADIUS * DISTANCE * turned.cos()
    left, right = squares.sqrt()
    return (right - left) / SPEED_OF_SOUND


def published_name(ours: str) -> str:
    """The published name of a tensor of a `StereoCRW`."""
    return "trans.window" if ours == "window" else f"net.{ours}"
