"""Devices, number formats, and decoding in pieces."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from prismaudio.errors import UnknownChoice
from prismaudio.generation import engine
from prismaudio.generation.engine import UnusableDevice, choose_engine, decode, released_engine
from prismaudio.generation.velocity import UnusableEngine, VelocityEngine
from prismaudio.models.dit import DiT


class Repeater:
    """A codec that plays every latent frame for `hop` samples, on both ears."""

    sample_rate, latent_channels, hop = 100, 1, 4

    def encode(self, audio: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return audio[:, :1, :: self.hop]

    def decode(self, latents: Tensor) -> Tensor:
        return latents.repeat_interleave(self.hop, dim=-1).expand(-1, 2, -1)

    def decode_pieces(self, latents: Tensor, frames: int) -> Iterator[Tensor]:
        for part in latents.split(frames, dim=-1):
            yield self.decode(part)


def test_pieces_join_to_the_whole_and_progress_reaches_one():
    latents, shares = torch.randn(1, 1, 2000), []
    sound = decode(Repeater(), latents, 300, shares.append)
    torch.testing.assert_close(sound, Repeater().decode(latents)[0])
    assert len(shares) == 7
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_the_processor_is_always_there():
    chosen = choose_engine("cpu", "float32")
    assert (chosen.device, chosen.dtype, chosen.machinery) == (torch.device("cpu"), torch.float32, "eager")
    assert choose_engine().device.type in {"cpu", "cuda", "mps"}


def test_bfloat16_is_chosen_where_it_is_native(monkeypatch: pytest.MonkeyPatch):
    for native, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(engine, "_fast_bfloat16", lambda device, native=native: native)
        assert choose_engine("cpu").dtype is dtype


@pytest.mark.parametrize(("device", "dtype"), [("gpu", "auto"), ("cuda:x", "auto"), ("cpu", "int7")])
def test_unknown_names_are_refused(device: str, dtype: str):
    with pytest.raises(UnknownChoice, match="choose one of"):
        choose_engine(device, dtype)


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(UnusableDevice, match="cuda:99"):
        choose_engine("cuda:99")


def test_graphs_need_cuda():
    with pytest.raises(UnusableEngine, match="use eager or compile"):
        VelocityEngine(DiT(4, 64, 1, 1), choose_engine("cpu", machinery="graph").machinery)
    with pytest.raises(UnknownChoice, match="choose one of: auto, eager"):
        choose_engine("cpu", machinery="steam")


def test_the_released_program_has_float32_weights():
    released = released_engine("cpu")
    assert (released.dtype, released.released) == (torch.float32, True)
    with released.numbers():
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.float32
