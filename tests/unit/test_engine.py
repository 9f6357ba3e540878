"""Devices, and decoding in pieces."""

import pytest
import torch
from torch import Tensor

from prismaudio.errors import UnknownChoice
from prismaudio.generation import engine
from prismaudio.generation.engine import (
    CHUNK,
    OVERLAP,
    UnusableDevice,
    choose_engine,
    chunks,
    cross_fade,
    decode,
)


class Repeater:
    """A codec that plays every latent frame for `hop` samples, on both ears."""

    sample_rate, latent_channels, hop = 100, 1, 4

    def encode(self, audio: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return audio[:, :1, :: self.hop]

    def decode(self, latents: Tensor) -> Tensor:
        return latents.repeat_interleave(self.hop, dim=-1).expand(-1, 2, -1)


@pytest.mark.parametrize("frames", [1, CHUNK, CHUNK + 1, CHUNK + OVERLAP, 5 * CHUNK])
def test_pieces_join_to_the_whole(frames: int):
    latents = torch.randn(1, 1, frames)
    torch.testing.assert_close(decode(Repeater(), latents), Repeater().decode(latents)[0])


def test_no_piece_is_longer_than_a_chunk_or_shorter_than_its_context():
    pieces = list(chunks(10_000))
    assert pieces[-1][1] == 10_000
    assert all(OVERLAP < last - first <= CHUNK for first, last, _ in pieces)


def test_progress_reaches_one():
    shares: list[float] = []
    decode(Repeater(), torch.zeros(1, 1, 2000), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_cross_fade_keeps_what_agrees_and_the_power_of_what_does_not():
    a, b = torch.randn(2, 100_000), torch.randn(2, 100_000)
    torch.testing.assert_close(cross_fade(a, a), a, atol=1e-3, rtol=0)
    middle = cross_fade(a, b)[:, 40_000:60_000]
    assert middle.std().item() == pytest.approx(1, abs=0.02)


def test_a_cross_fade_of_silence_is_silent():
    assert not cross_fade(torch.zeros(2, 10), torch.zeros(2, 10)).any()


def test_the_processor_is_always_there():
    assert choose_engine("cpu", "float32") == (torch.device("cpu"), torch.float32)
    assert choose_engine().device.type in {"cpu", "cuda", "mps"}


def test_bfloat16_is_chosen_where_it_is_native(monkeypatch: pytest.MonkeyPatch):
    for native, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(engine, "_fast_bfloat16", lambda device, native=native: native)
        assert choose_engine("cpu").dtype is dtype


@pytest.mark.parametrize(("device", "dtype"), [("gpu", "auto"), ("cuda:x", "auto"), ("cpu", "float16")])
def test_unknown_names_are_refused(device: str, dtype: str):
    with pytest.raises(UnknownChoice, match="choose one of"):
        choose_engine(device, dtype)


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(UnusableDevice, match="cuda:99"):
        choose_engine("cuda:99")
