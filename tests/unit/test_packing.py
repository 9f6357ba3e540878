"""What is packed comes back within half a step of its row, and small or whole tensors as they were."""

from pathlib import Path

import torch
from torch import nn

from prismaudio.models.checkpoints import load_weights, save_weights
from prismaudio.models.packing import SCALE, packed, unpacked


def test_numbers_come_back_within_half_a_step_of_their_row() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(64, 8, 16, generator=generator) * torch.logspace(-3, 2, 64)[:, None, None]
    rows[3] = 0
    state = packed({"weight": rows})
    assert state["weight"].dtype is torch.int8
    assert state["weight" + SCALE].shape == (64,)
    back = unpacked(state)["weight"]
    largest = rows.flatten(1).abs().amax(dim=1)[:, None, None]
    assert ((back - rows).abs() <= largest / 254 * 1.001).all()
    assert torch.equal(back[3], rows[3])


def test_small_tensors_vectors_and_whole_numbers_stay() -> None:
    state = {"bias": torch.randn(9000), "small": torch.randn(4, 4), "count": torch.arange(9000).view(90, 100)}
    assert packed(state).keys() == state.keys()
    assert all(torch.equal(packed(state)[name], tensor) for name, tensor in state.items())


def test_a_packed_file_is_a_quarter_and_loads_as_any_other(tmp_path: Path) -> None:
    torch.manual_seed(0)
    written, read = nn.Linear(256, 128), nn.Linear(256, 128)
    save_weights(tmp_path / "a.safetensors", written, {})
    save_weights(tmp_path / "b.safetensors", written, {}, packing=True)
    assert (tmp_path / "b.safetensors").stat().st_size < 0.3 * (tmp_path / "a.safetensors").stat().st_size
    load_weights(tmp_path / "b.safetensors", read)
    torch.testing.assert_close(read.weight, written.weight, atol=3e-4, rtol=0)
    assert torch.equal(read.bias, written.bias)
