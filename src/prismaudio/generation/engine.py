"""Where the networks run and in which numbers, and latents turned to sound piece by piece.

Times of one guided step of a 9 s window on one core of a 2.6 GHz Xeon with matrix units (AMX), 24 of which make a
sound: float32 0.116 s, float32 weights under bfloat16 autocast 0.09 s, bfloat16 weights 0.064 s. The last is what
`auto` takes where such units exist; its velocity differs from float32's by 1 %. Threads are left to torch, which
takes one per physical core.

Shapes: C latent channels, T latent frames, N samples.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from prismaudio.errors import PrismAudioError, UnknownChoice
from prismaudio.models.codec import Codec

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
DEVICES = ("auto", "cpu", "cuda", "mps")
CHUNK = 512  # latent frames decoded at a time: 24 s, about 0.5 GB on the way
OVERLAP = 32  # frames that neighbouring chunks share, more than the codec looks ahead
FADE = 8  # frames in the middle of the overlap, over which one chunk hands over to the next

Report = Callable[[float], None]  # told the share that is done, 0 to 1


class UnusableDevice(PrismAudioError):
    """A processor this machine, or this build of torch, does not have."""


class Engine(NamedTuple):
    """A processor and the number format of the transformer on it."""

    device: torch.device
    dtype: torch.dtype

    @property
    def codec_device(self) -> torch.device:
        """Spectra need complex numbers, which Apple's processor does not have."""
        return torch.device("cpu") if self.device.type == "mps" else self.device


def choose_engine(device: str = "auto", dtype: str = "auto") -> Engine:
    """The fastest processor there is, and the fastest numbers that are safe on it; or what is asked for."""
    chosen = _device(device)
    if dtype == "auto":
        return Engine(chosen, torch.bfloat16 if _fast_bfloat16(chosen) else torch.float32)
    if dtype not in DTYPES:
        raise UnknownChoice("dtype", dtype, ["auto", *DTYPES])
    return Engine(chosen, DTYPES[dtype])


def _device(name: str) -> torch.device:
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    kind, _, number = name.partition(":")
    if kind not in there or not (number.isdecimal() or number == ""):
        raise UnknownChoice("device", name, DEVICES)
    if not there[kind] or (kind == "cuda" and int(number or 0) >= torch.cuda.device_count()):
        raise UnusableDevice(f"torch finds no device {name!r} here; use --device auto or cpu")
    return torch.device(name)


def _fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is native there; emulated, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and torch.cpu._is_amx_tile_supported()


@torch.no_grad()
def decode(codec: Codec, latents: Tensor, report: Report | None = None) -> Tensor:
    """latents: (1, C, T) -> (2, T * hop) on the CPU. Long sounds go chunk by chunk, so memory stays bounded."""
    frames, hop = latents.shape[-1], codec.hop
    sound = torch.zeros(2, frames * hop)
    for first, last, trim in chunks(frames):
        piece = codec.decode(latents[..., first:last])[0].float().cpu()[:, trim * hop :]
        begin, faded = (first + trim) * hop, FADE * hop if first else 0
        end = begin + piece.shape[-1]
        sound[:, begin : begin + faded] = cross_fade(sound[:, begin : begin + faded], piece[:, :faded])
        sound[:, begin + faded : end] = piece[:, faded:]
        if report is not None:
            report(last / frames)
    return sound


def chunks(frames: int) -> Iterator[tuple[int, int, int]]:
    """(first frame, end, frames at its beginning that are only context), in order."""
    for first in range(0, max(frames - OVERLAP, 1), CHUNK - OVERLAP):
        yield first, min(first + CHUNK, frames), (OVERLAP - FADE) // 2 if first else 0


def cross_fade(before: Tensor, after: Tensor) -> Tensor:
    """(2, N), (2, N) -> (2, N) at constant power, whether the two agree in phase or not."""
    rise = torch.linspace(0, 1, before.shape[-1])
    power = (before.square().sum() * after.square().sum()).sqrt().clamp(min=1e-12)
    likeness = ((before * after).sum() / power).clamp(0, 1)
    level = ((1 - rise) ** 2 + rise**2 + 2 * likeness * rise * (1 - rise)).sqrt()
    return ((1 - rise) * before + rise * after) / level
