"""The transformer, its conditioners, sampler and training loss against numbers of the official code."""

from functools import partial

import pytest
import torch
from model_golden import Small, close, golden
from torch import Tensor

from prismaudio.flow.path import flow_loss, interpolate, truncated_logit_normal
from prismaudio.flow.sampler import guided, time_grid, trajectory
from prismaudio.models.conditioning import Conditions, Features, Keep, pad
from prismaudio.models.dit import DiT
from prismaudio.models.embeddings import resample
from prismaudio.models.published import published_name, unused_shapes

DIT = golden("dit_small")
CONDITIONERS = golden("conditioners_small")
SAMPLER = golden("sampler_small")
LOSS = golden("train_loss_small")
VIDEO, TEXT, SYNC = (DIT[f"in.{name}_tokens"] for name in ("video", "text", "sync"))


def case(name: str, dit: DiT) -> Conditions | None:
    """The conditions of a golden case. Absent tokens have length 0; officially, sync needs video."""
    none = VIDEO[:, :0]
    video = {"zero_video": 0 * VIDEO, "zero_all": 0 * VIDEO, "none_add": none}.get(name, VIDEO)
    cross_video = 0 * VIDEO if name in ("zero_video", "zero_all") else VIDEO
    cross_text = 0 * TEXT if name in ("zero_text", "zero_all") else TEXT
    cross = none if name == "none_cross" else torch.cat([cross_video, cross_text], dim=1)
    sync = {"none_sync": none, "none_add": none, "zero_sync": 0 * SYNC, "zero_all": 0 * SYNC}.get(name, SYNC)
    conditions = Conditions(cross, video, sync)
    if name == "none_all":
        return None
    return dit.without_sync(conditions) if name == "empty_sync_broadcast" else conditions


@torch.no_grad()
def velocity(dit: DiT, conditions: Conditions | None, t: Tensor, scale: float) -> Tensor:
    prepared = None if conditions is None else dit.prepare(conditions, DIT["in.x"].shape[-1])
    bare = partial(dit, prepared=None)
    return guided(partial(dit, prepared=prepared), bare, scale)(DIT["in.x"], t)


@pytest.mark.parametrize("name", [name for name in DIT if name.startswith("out.t") and "tmixed" not in name])
def test_the_velocity_is_the_published_one(small: Small, name: str):
    time, rest = name.removeprefix("out.t").split(".cfg")
    scale, _, which = rest.rpartition(".")
    conditions = case(which, small.model.dit)
    close(velocity(small.model.dit, conditions, torch.tensor(float(time)), float(scale)), DIT[name])


@pytest.mark.parametrize("scale", [1.0, 3.5])
def test_every_clip_may_have_its_own_time(small: Small, scale: float):
    dit, t, x = small.model.dit, DIT["in.t_mixed"], DIT["in.x"]
    with torch.no_grad():
        conditional = dit(x, t, dit.prepare(case("all", dit), x.shape[-1]))
        bare = dit(x, t, None)
    close(bare + scale * (conditional - bare), DIT[f"out.tmixed.cfg{scale}.all"])


def test_every_block_agrees(small: Small):
    dit, seen = small.model.dit, []
    hooks = [block.register_forward_hook(lambda _, __, out: seen.append(out)) for block in dit.blocks]
    velocity(dit, case("all", dit), DIT["in.t_mixed"], 1.0)
    for hook in hooks:
        hook.remove()
    close(dit.time(DIT["in.t_mixed"]), DIT["mid.timestep_embed.tmixed"])
    for index, hidden in enumerate(seen):
        close(hidden, DIT[f"mid.hidden{index}.tmixed"])


def test_no_conditions_equal_zero_conditions(small: Small):
    dit, t = small.model.dit, torch.tensor(0.5)
    assert torch.equal(velocity(dit, case("zero_all", dit), t, 1.0), velocity(dit, None, t, 1.0))


def clips(indices: list[int]) -> Features:
    """The recorded features, padded with zeros and read like real ones, as the official code does."""
    video, text, sync = (
        pad([CONDITIONERS[f"in.{kind}_features.{i}"] for i in indices])[0]
        for kind in ("video", "text", "sync")
    )
    return Features(video, text, sync)


def test_condition_tokens_are_the_published_ones(small: Small):
    conditions = small.model.conditioner(clips([0, 1]))
    close(conditions.cross, CONDITIONERS["inputs.cross_attn_cond"])
    close(conditions.video, CONDITIONERS["inputs.add_cond"])
    close(resample(conditions.sync, 194), CONDITIONERS["inputs.sync_cond"])


@pytest.mark.parametrize("tokens", [56, 112, 208, 240])
def test_sync_tokens_stretch_as_published(small: Small, tokens: int):
    out = small.model.conditioner.sync_tokens(CONDITIONERS[f"sync_len{tokens}.in"][None])
    recorded = CONDITIONERS[f"sync_len{tokens}.out"]
    close(resample(out, recorded.shape[1]), recorded)


def test_only_sync_answers_to_zero_features(small: Small):
    silent = small.model.conditioner(
        Features(torch.zeros(1, 4, 48), torch.zeros(1, 2, 40), torch.zeros(1, 216, 24))
    )
    assert torch.equal(silent.video, CONDITIONERS["zero_raw.video.out"])
    close(resample(silent.sync, 194), CONDITIONERS["zero_raw.sync.out"])


@pytest.mark.parametrize("variant", ["intended", "official_predict"])
def test_the_sampler_takes_the_published_path_to_the_published_sound(small: Small, variant: str):
    dit, noise = small.model.dit, SAMPLER["in.noise"]
    with torch.no_grad():
        conditions = small.model.conditioner(clips([0]))
        if variant == "official_predict":
            conditions = dit.without_sync(conditions)
        flow = guided(
            partial(dit, prepared=dit.prepare(conditions, 194)), partial(dit, prepared=None), scale=5
        )
        *between, latent = trajectory(flow, noise, time_grid(8))
        audio = small.vae.decode(latent)
    for index, x in enumerate(between, start=1):
        close(x, SAMPLER[f"{variant}.x_after_step{index}"])
    close(latent, SAMPLER[f"{variant}.latent"])
    close(audio, SAMPLER[f"{variant}.audio_f32"])
    wav = (audio / audio.abs().max()).clamp(-1, 1).mul(32767).short()
    assert (wav.int() - SAMPLER[f"{variant}.wav_i16"].int()).abs().max() <= 1


def test_training_times_are_the_published_ones():
    recorded = golden("timesteps")
    close(truncated_logit_normal(recorded["in.normal"]), recorded["t"])


@pytest.mark.parametrize("dropped", [False, True])
def test_training_loss_and_gradients_are_the_published_ones(small: Small, dropped: bool):
    variant, model = "drop" if dropped else "nodrop", small.model
    data, noise, t = (LOSS[f"in.{name}"] for name in ("latents", "noise", "t"))
    keep = Keep(*(LOSS["in.drop_mask_cross_add_sync"] == 0)) if dropped else None
    loss = flow_loss(model(interpolate(data, noise, t), t, clips([0, 1]), keep), data, noise)
    close(loss[None], LOSS[f"{variant}.loss"])

    prefix = f"{variant}.gradnorm."
    recorded = {name.removeprefix(prefix): norm for name, norm in LOSS.items() if name.startswith(prefix)}
    ours = {published_name(name): p for name, p in model.named_parameters()}
    gradients = torch.autograd.grad(loss, [ours[name] for name in recorded])
    for gradient, norm in zip(gradients, recorded.values(), strict=True):
        close(gradient.norm()[None], norm)


def test_the_weights_that_never_learn_are_not_parameters_here(small: Small):
    """DDP stops at parameters without a gradient; the official wrapper has these."""
    idle = {*unused_shapes(small.model), published_name("dit.empty_sync")}
    assert len(idle) == LOSS["nodrop.no_grad_params"].item()
    assert not idle & {published_name(name) for name, _ in small.model.named_parameters()}
