"""Where the networks run, in which numbers and by which machinery: one function chooses, for every processor.

Times of one guided step of a 9 s window of the embedded model on one core of a 2.6 GHz Xeon with matrix units (AMX), 24
of which make a sound: float32 0.116 s, float32 weights under bfloat16 autocast 0.09 s, bfloat16 weights 0.064 s. The last
is what `auto` takes where such units exist; its velocity differs from float32's by 1 %. Threads are left to torch, which
takes one per physical core.

Shapes: C latent channels, T latent frames.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from prismaudio.errors import PrismAudioError, UnknownChoice
from prismaudio.generation.velocity import ENGINES
from prismaudio.models.codec import Codec
from prismaudio.stages import Report
from prismaudio.types import DTYPES

DEVICES = ("auto", "cpu", "cuda", "mps")


class UnusableDevice(PrismAudioError):
    """A processor this machine, or this build of torch, does not have."""


class Engine(NamedTuple):
    """A processor, the number format of the transformer on it, and how its steps are launched."""

    device: torch.device
    dtype: torch.dtype
    machinery: str = "eager"
    windows: int | None = None  # that go through the transformer together; None: what fills the processor
    released: bool = False  # float16 autocast around float32 weights, as the authors' program runs

    @property
    def group(self) -> int:
        """Windows that go through the transformer together."""
        if self.windows is not None:
            return self.windows
        return 32 if self.device.type == "cuda" else 8

    def numbers(self) -> AbstractContextManager[object]:
        """What surrounds the networks; nothing, but for the released program on its own processor."""
        if self.released and self.device.type == "cuda":
            return torch.autocast("cuda", torch.float16)
        return nullcontext()


def choose_engine(device: str = "auto", dtype: str = "auto", machinery: str = "auto") -> Engine:
    """The fastest processor there is, and the fastest numbers that are safe on it; or what is asked for."""
    chosen = _device(device)
    if dtype not in ("auto", *DTYPES):
        raise UnknownChoice("dtype", dtype, ["auto", *DTYPES])
    fastest = torch.bfloat16 if _fast_bfloat16(chosen) else torch.float32
    return Engine(chosen, DTYPES.get(dtype, fastest), _machinery(machinery, chosen))


def released_engine(device: str = "auto") -> Engine:
    """How the authors' program runs; where there is no CUDA, its float32 self."""
    return Engine(_device(device), torch.float32, released=True)


def _machinery(name: str, device: torch.device) -> str:
    if name not in ("auto", *ENGINES):
        raise UnknownChoice("engine", name, ["auto", *ENGINES])
    if name == "auto":
        return "graph" if device.type == "cuda" else "eager"
    return name


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
def decode(codec: Codec, latents: Tensor, frames: int, report: Report | None = None) -> Tensor:
    """latents: (1, C, T) -> (2, T * hop) float32 on the CPU, `frames` at a time, so that memory is bounded."""
    total, pieces = latents.shape[-1], []
    for piece in codec.decode_pieces(latents, frames):
        pieces.append(piece[0].float().cpu())
        if report is not None:
            report(min(1.0, len(pieces) * frames / total))
    return torch.cat(pieces, dim=-1)
