"""The published size itself: 674 million recorded weights, so these tests take minutes and 6 GB."""

import deterministic
import pytest
import torch
from model_golden import checksums, close, golden

from prismaudio.flow.sampler import guided
from prismaudio.models.checkpoints import PrismAudioModel, build_prismaudio, fill, fill_vae
from prismaudio.models.conditioning import Conditions, Features
from prismaudio.models.embeddings import resample
from prismaudio.models.published import VAE_PREFIX, expected_shapes, expected_vae_shapes, published_name

pytestmark = pytest.mark.slow

FULL = golden("full_size")


@pytest.fixture(scope="module")
def full() -> PrismAudioModel:
    model, vae = build_prismaudio()
    state = deterministic.state(expected_shapes(model))
    codec = deterministic.state({f"{VAE_PREFIX}{name}": s for name, s in expected_vae_shapes(vae).items()})
    for name, (total, size) in checksums("full").items():
        tensor = (state | codec)[name].double()
        assert tensor.sum().item() == pytest.approx(total, abs=1e-6 * size)
        assert tensor.abs().sum().item() == pytest.approx(size, rel=1e-6)
    fill(model, {name: state[published_name(name)] for name in model.state_dict()})
    fill_vae(vae, {name.removeprefix(VAE_PREFIX): tensor for name, tensor in codec.items()})
    return PrismAudioModel(model.eval(), vae.eval())


@pytest.fixture(scope="module")
def conditions(full: PrismAudioModel) -> Conditions:
    features = Features(
        video=deterministic.data("full.video", (36, 1024), 0.03125)[None],
        text=deterministic.data("full.text", (int(FULL["text_len"]), 1024))[None],
        sync=deterministic.data("full.sync", (216, 768))[None],
    )
    with torch.no_grad():
        return full.model.conditioner(features)


def test_condition_tokens_are_the_published_ones(conditions: Conditions):
    tokens = {
        "cross_attn_cond": conditions.cross,
        "add_cond": conditions.video,
        "sync_cond": resample(conditions.sync, 194),
    }
    for name, ours in tokens.items():
        close(ours[:, :6, :32], FULL[f"cond.{name}.slice"])
        exact = ours.double()
        stats = torch.stack([exact.mean(), exact.std(), exact.abs().sum()])
        torch.testing.assert_close(stats, FULL[f"cond.{name}.stats"], rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_the_velocity_is_the_published_one(full: PrismAudioModel, conditions: Conditions):
    dit, x, t = full.model.dit, deterministic.data("full.x", (1, 64, 194)), FULL["t"]
    prepared = dit.prepare(conditions, 194)
    conditional, bare = dit(x, t, prepared), dit(x, t, None)
    close(conditional, FULL["dit.t0.5.cfg1.0"], tolerance=1e-3)
    flow = guided(lambda x, t: conditional, lambda x, t: bare, scale=5)
    close(flow(x, t), FULL["dit.t0.5.cfg5.0"], tolerance=1e-3)


@torch.no_grad()
def test_the_codec_is_the_published_one(full: PrismAudioModel):
    close(full.vae.decode(deterministic.data("full.z", (1, 64, 5))), FULL["vae.decoded"])
    close(full.vae.encoder(deterministic.data("full.audio", (1, 2, 10_240), 0.3)), FULL["vae.encoder_out"])
