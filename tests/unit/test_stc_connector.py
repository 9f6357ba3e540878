"""VideoLLaMA2's connector is the published mathematics, written out once more with plain sums."""

import pytest
import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor

from prismaudio.backends.pretrained.stc_connector import Bottleneck, STCConnector

State = dict[str, Tensor]
CHANNELS, WIDTH = 6, 8


def connector(depth: int) -> STCConnector:
    torch.manual_seed(0)
    network = STCConnector(CHANNELS, WIDTH, depth)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.5)
    return network.double()


def normed(x: Tensor, state: State, name: str) -> Tensor:
    """(..., D): over the channels of each place"""
    apart = x - x.mean(-1, keepdim=True)
    scaled = apart / (apart.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return scaled * state[f"{name}.bn.weight"] + state[f"{name}.bn.bias"]


def silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def mixed(x: Tensor, state: State, name: str) -> Tensor:
    weight = state[f"{name}.conv.weight"]
    return normed(einsum(x, weight[:, :, 0, 0], "n h w c, d c -> n h w d"), state, name)


def filtered(x: Tensor, state: State, name: str) -> Tensor:
    """Each channel with nine weights of its own, nothing beyond the edge."""
    weight, (h, w) = state[f"{name}.conv.weight"], x.shape[1:3]
    padded = F.pad(x, (0, 0, 1, 1, 1, 1))
    shifts = [padded[:, i : i + h, j : j + w] * weight[:, 0, i, j] for i in range(3) for j in range(3)]
    return normed(sum(shifts, torch.zeros(())), state, name)


def block(x: Tensor, state: State, name: str) -> Tensor:
    """(N, H, W, C) -> (N, H, W, D)"""
    h = silu(mixed(x, state, f"{name}.conv1"))
    h = silu(filtered(h, state, f"{name}.conv2"))
    squeezed = h.mean((1, 2))
    for layer, act in (("fc1", silu), ("fc2", torch.sigmoid)):
        weight, bias = state[f"{name}.se.{layer}.weight"], state[f"{name}.se.{layer}.bias"]
        squeezed = act(squeezed @ weight[:, :, 0, 0].T + bias)
    h = mixed(h * squeezed[:, None, None], state, f"{name}.conv3")
    return silu(
        h + (mixed(x, state, f"{name}.downsample") if f"{name}.downsample.conv.weight" in state else x)
    )


def halved(x: Tensor, state: State) -> Tensor:
    """(B, T, H, W, D) -> (B, T//2, H//2, W//2, D)"""
    t, h, w = (size // 2 * 2 for size in x.shape[1:4])
    cubes = rearrange(x[:, :t, :h, :w], "b (t i) (h j) (w k) c -> b t h w i j k c", i=2, j=2, k=2)
    weight, bias = state["sampler.0.weight"], state["sampler.0.bias"]
    return silu(einsum(cubes, weight, "b t h w i j k c, d c i j k -> b t h w d") + bias)


def derived(patches: Tensor, side: int, state: State, depth: int) -> Tensor:
    x = rearrange(patches, "b t (h w) c -> (b t) h w c", h=side)
    for k in range(1, depth + 1):
        x = block(x, state, f"s1.b{k}")
    x = halved(rearrange(x, "(b t) h w d -> b t h w d", b=len(patches)), state)
    time = x.shape[1]
    x = rearrange(x, "b t h w d -> (b t) h w d")
    for k in range(1, depth + 1):
        x = block(x, state, f"s2.b{k}")
    x = rearrange(x, "(b t) h w d -> b (t h w) d", t=time)
    x = x @ state["readout.0.weight"].T + state["readout.0.bias"]
    x = x * 0.5 * (1 + torch.erf(x / 2**0.5))
    return x @ state["readout.2.weight"].T + state["readout.2.bias"]


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(("pictures", "side"), [(4, 4), (5, 7)])
def test_it_is_the_published_mathematics(depth: int, pictures: int, side: int) -> None:
    network = connector(depth)
    patches = torch.randn(2, pictures, side**2, CHANNELS, dtype=torch.float64)
    expected = derived(patches, side, network.state_dict(), depth)
    assert expected.std() > 0.1
    torch.testing.assert_close(network(patches), expected, rtol=1e-9, atol=1e-9)


def test_sixteen_pictures_of_729_patches_become_1352_tokens() -> None:
    with torch.no_grad():
        seen = connector(depth=4).float()(torch.randn(1, 16, 27 * 27, CHANNELS))
    assert seen.shape == (1, 8 * 13 * 13, WIDTH)
    assert seen.isfinite().all()


def test_a_block_that_keeps_its_width_has_no_way_around_to_learn() -> None:
    assert "downsample.conv.weight" in Bottleneck(CHANNELS, WIDTH).state_dict()
    assert not any(name.startswith("downsample") for name in Bottleneck(WIDTH, WIDTH).state_dict())
