"""What the transformer promises beyond the published numbers: any length, any batch, any size."""

import copy

import pytest
import torch
from torch import Tensor

from prismaudio.models import lengths
from prismaudio.models.conditioning import Conditions, Features, Keep, draw_keep, pad
from prismaudio.models.dit import ConditionedDiT, readable

FRAMES = 11


@pytest.fixture(scope="module")
def model() -> ConditionedDiT:
    """Awake: a new network is silent, so every weight is drawn."""
    torch.manual_seed(0)
    model = ConditionedDiT(latent_channels=5, width=64, depth=2, heads=2, video_dim=6, text_dim=7, sync_dim=8)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2 if parameter.ndim > 1 else 1.0)
    return model.eval()


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def clip(seed: int, video: int = 4, text: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    return normal(video, 6, seed=seed), normal(text, 7, seed=seed + 50), normal(16, 8, seed=seed + 100)


def batch(*clips: tuple[Tensor, Tensor, Tensor]) -> Features:
    (video, video_mask), (text, text_mask) = (pad([c[i] for c in clips]) for i in (0, 1))
    return Features(video, text, torch.stack([c[2] for c in clips]), video_mask, text_mask)


def agree(ours: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def run(model: ConditionedDiT, features: Features, x: Tensor, keep: Keep | None = None) -> Tensor:
    with torch.no_grad():
        return model(x, torch.full((len(x),), 0.3), features, keep)


def test_a_clip_sounds_in_a_batch_as_it_does_alone(model: ConditionedDiT):
    """B3: padding takes no part, neither in attention nor in the stretched video."""
    short, long, x = clip(1, video=3, text=2), clip(2, video=6, text=9), normal(2, 5, FRAMES)
    together = run(model, batch(short, long), x)
    alone = torch.cat([run(model, batch(short), x[:1]), run(model, batch(long), x[1:])])
    agree(together, alone)


def test_what_stands_behind_a_mask_does_not_matter(model: ConditionedDiT):
    features, x = batch(clip(1, video=3, text=2), clip(2, video=6, text=9)), normal(2, 5, FRAMES)
    assert features.video_mask is not None
    assert features.text_mask is not None
    noisy = features._replace(
        video=features.video.masked_fill(~features.video_mask[..., None], 9.0),
        text=features.text.masked_fill(~features.text_mask[..., None], -9.0),
    )
    agree(run(model, noisy, x), run(model, features, x))


@pytest.mark.parametrize("duration", [0.05, 0.3, 0.64, 0.7, 5.0, 9.0, 10.1])
def test_every_duration_runs(model: ConditionedDiT, duration: float):
    """B2, B6: the published code stops at most of these."""
    frames = lengths.latent_frames(duration)
    features = Features(
        normal(1, lengths.video_frames(duration), 6),
        normal(1, 3, 7),
        normal(1, lengths.sync_tokens(duration), 8),
    )
    x = normal(1, 5, frames)
    out = run(model, features, x)
    assert out.shape == x.shape
    assert out.isfinite().all()


def test_absent_features_may_have_no_tokens_at_all(model: ConditionedDiT):
    x, t = normal(1, 5, FRAMES), torch.tensor(0.3)
    nothing = Features(torch.zeros(1, 0, 6), torch.zeros(1, 0, 7), torch.zeros(1, 0, 8))
    with torch.no_grad():
        bare = model.dit(x, t, None)
        agree(model.dit(x, t, model.prepare(nothing, FRAMES)), bare)


def test_a_clip_without_real_tokens_is_a_clip_without_conditions(model: ConditionedDiT):
    hidden = batch(clip(1), clip(2))
    nobody = torch.zeros(2, 4, dtype=torch.bool), torch.zeros(2, 5, dtype=torch.bool)
    hidden = hidden._replace(video_mask=nobody[0], text_mask=nobody[1], sync=torch.zeros(2, 0, 8))
    x = normal(2, 5, FRAMES)
    with torch.no_grad():
        bare = model.dit(x, torch.tensor(0.3), None)
    agree(run(model, hidden, x), bare)


def test_attention_is_never_asked_to_read_nothing():
    """A softmax over nothing is nan in some of torch's ways to attend."""
    mask = torch.tensor([[True, False], [False, False]])
    readable_mask = readable(mask)
    assert readable_mask is not None
    assert readable_mask.tolist() == [[[[True, False]]], [[[True, True]]]]


def test_dropping_everything_is_the_unconditional_velocity(model: ConditionedDiT):
    x, none = normal(2, 5, FRAMES), torch.tensor([False, False])
    with torch.no_grad():
        bare = model.dit(x, torch.tensor(0.3), None)
    agree(run(model, batch(clip(1), clip(2)), x, Keep(none, none, none)), bare)


@pytest.mark.parametrize("dropped", ["cross", "video", "sync"])
def test_each_condition_of_each_clip_is_dropped_by_itself(model: ConditionedDiT, dropped: str):
    features, x, all_kept = batch(clip(1), clip(2)), normal(2, 5, FRAMES), torch.tensor([True, True])
    keep = Keep(all_kept, all_kept, all_kept)._replace(**{dropped: torch.tensor([False, True])})
    full, without = run(model, features, x), run(model, features, x, keep)
    agree(without[1], full[1])
    assert (without[0] - full[0]).abs().max() > 1e-3


def test_one_shared_time_is_everybodys_time(model: ConditionedDiT):
    x = normal(3, 5, FRAMES)
    with torch.no_grad():
        shared = model.dit(x, torch.tensor(0.7), None)
        agree(shared, model.dit(x, torch.tensor([0.7]), None))
        agree(shared, model.dit(x, torch.full((3,), 0.7), None))


def test_clips_are_selected_before_or_after_preparation(model: ConditionedDiT):
    features, x = batch(clip(1, text=2), clip(2)), normal(3, 5, FRAMES)
    who, t = torch.tensor([1, 0, 1]), torch.tensor(0.2)
    with torch.no_grad():
        conditions = model.conditioner(features)
        early = model.dit.prepare(conditions.select(who), FRAMES)
        late = model.dit.prepare(conditions, FRAMES).select(who)
        agree(model.dit(x, t, early), model.dit(x, t, late))


def test_every_parameter_learns(model: ConditionedDiT):
    """Distributed training stops at a parameter that no gradient reaches."""
    x = normal(2, 5, FRAMES)
    loss = model(x, torch.tensor([0.2, 0.8]), batch(clip(1), clip(2)), None).square().mean()
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_a_new_network_adds_nothing_to_its_projections():
    model = ConditionedDiT(latent_channels=5, width=64, depth=2, heads=2, video_dim=6, text_dim=7, sync_dim=8)
    x, dit = normal(1, 5, FRAMES), model.dit
    with torch.no_grad():
        expected = dit.project_out(dit.project_in(x.mT)).mT
        agree(dit(x, torch.tensor(0.5), None), expected)


def test_half_precision_stays_close(model: ConditionedDiT):
    x, features = normal(1, 5, FRAMES), batch(clip(1))
    exact = run(model, features, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (run(model, features, x) - exact).norm() < 0.05 * exact.norm()


def test_a_model_in_half_precision_takes_inputs_in_single(model: ConditionedDiT):
    x, features, t = normal(1, 5, FRAMES), batch(clip(1)), torch.tensor(0.3)
    exact, half = run(model, features, x), copy.deepcopy(model).bfloat16()
    with torch.no_grad():
        predicted = half.dit(x, t, half.prepare(features, FRAMES))
    assert predicted.dtype == torch.bfloat16
    assert (predicted - exact).norm() < 0.05 * exact.norm()


def test_incomplete_segments_are_refused(model: ConditionedDiT):
    with pytest.raises(ValueError, match="segments of 8"):
        model.conditioner.sync_tokens(torch.zeros(1, 12, 8))


def test_dropping_is_drawn_three_times_per_clip():
    keep = draw_keep(4000, 0.1, torch.Generator().manual_seed(0))
    kept = torch.stack(keep).float()
    assert ((1 - kept.mean(dim=1)) - 0.1).abs().max() < 0.02
    assert torch.corrcoef(kept).triu(1).abs().max() < 0.05


def test_clips_of_one_length_need_no_mask():
    padded, mask = pad([normal(3, 2), normal(3, 2, seed=1)])
    assert padded.shape == (2, 3, 2)
    assert mask is None


def test_conditions_know_which_tokens_are_real(model: ConditionedDiT):
    conditions: Conditions = model.conditioner(batch(clip(1, video=2, text=5), clip(2, video=4, text=5)))
    assert conditions.cross_mask is not None
    assert conditions.cross_mask.int().tolist() == [[1, 1, 0, 0] + [1] * 5, [1] * 9]
