"""Windows over a long sound."""

import pytest
import torch
from torch import Tensor

from prismaudio.flow.sampler import Velocity, sample, time_grid
from prismaudio.generation.long import OVERLAP, WINDOW, Layout, blended

GROUP = 8
LENGTHS = [1, 60, WINDOW, WINDOW + 1, 2 * WINDOW - OVERLAP, 500, 3000]


def groups(layout: Layout, velocity: Velocity) -> list[Velocity]:
    return [velocity] * -(-len(layout.windows) // GROUP)


@pytest.mark.parametrize("frames", LENGTHS)
def test_windows_cover_the_sound_and_overlap_enough(frames: int):
    layout = Layout.covering(frames)
    assert layout.places[0] == 0
    assert layout.places[-1] + layout.width == frames
    assert layout.width == min(frames, WINDOW)
    for before, after in zip(layout.places[:-1], layout.places[1:], strict=True):
        assert before + layout.width - after >= OVERLAP


@pytest.mark.parametrize("frames", LENGTHS)
def test_weights_sum_to_one_at_every_frame(frames: int):
    layout = Layout.covering(frames)
    ones = torch.ones(len(layout.windows), 1, layout.width)
    torch.testing.assert_close(layout.join(ones), torch.ones(1, 1, frames))


def test_one_window_is_the_model_itself():
    x, t = torch.randn(1, 3, 100), torch.tensor(0.5)
    mixing = torch.randn(100, 100)
    flow = blended([lambda x, t: x @ mixing * t], Layout.covering(100), GROUP)
    assert torch.equal(flow(x, t), x @ mixing * t)


@pytest.mark.parametrize("frames", LENGTHS)
def test_a_velocity_that_is_everywhere_the_same_is_kept(frames: int):
    layout = Layout.covering(frames)
    constant = torch.randn(1, 3, 1)
    flow = blended(groups(layout, lambda x, t: constant.expand_as(x)), layout, GROUP)
    noise = torch.randn(1, 3, frames)
    torch.testing.assert_close(sample(flow, noise, time_grid(4)), noise - constant)


def test_a_velocity_of_single_frames_is_the_same_in_windows():
    """What does not look at other frames cannot tell windows from the whole."""
    x, t = torch.randn(1, 3, 1000), torch.tensor(0.3)
    layout = Layout.covering(1000)
    flow = blended(groups(layout, lambda part, t: part.sin() * t), layout, GROUP)
    torch.testing.assert_close(flow(x, t), x.sin() * t)


def test_windows_that_disagree_are_cross_faded_without_a_step():
    layout = Layout.covering(1000)
    numbers = torch.arange(len(layout.windows), dtype=torch.float32)[:, None, None]
    joined = layout.join(numbers.expand(-1, 1, layout.width))
    assert joined.diff().abs().max() < 2 / OVERLAP
    assert joined.max() == len(layout.windows) - 1


def test_windows_meet_the_transformer_in_groups():
    layout = Layout.covering(3000)
    sizes: list[int] = []

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        sizes.append(len(x))
        return x

    blended(groups(layout, velocity), layout, GROUP)(torch.randn(1, 2, 3000), torch.tensor(1.0))
    assert max(sizes) == GROUP
    assert sum(sizes) == len(layout.windows)


def test_sounds_made_together_flow_as_each_would_alone():
    """Windows of neighbours on the line never mix: not in their weights, not in their frames."""
    lengths, t = (500, 700), torch.tensor(0.5)
    mixing = torch.randn(WINDOW, WINDOW) / WINDOW

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        return x @ mixing

    together = Layout.covering(*lengths)
    x = torch.randn(1, 3, sum(lengths))
    flowed = together.split(blended(groups(together, velocity), together, GROUP)(x, t))
    for part, flow in zip(together.split(x), flowed, strict=True):
        alone = Layout.covering(part.shape[-1])
        torch.testing.assert_close(flow, blended(groups(alone, velocity), alone, GROUP)(part, t))


def test_sounds_of_different_windows_are_not_one_layout():
    with pytest.raises(ValueError, match="one width"):
        Layout.covering(50, 60)
