"""StereoCRW against numbers of the official code: network, likeness, and every way to read a delay off it."""

import math

import pytest
from reward_golden import golden, near, state

from prismaudio.models.interaural import published_delay
from prismaudio.models.stereocrw import (
    BEWO,
    Geometry,
    StereoCRW,
    both_ways,
    consistent_delays,
    counterparts,
    delay_of_angle,
    delays,
    lags,
    likeliest_delays,
    likeness,
    most_agreed,
    pooled,
    published_name,
)

RECORDED = golden("stereocrw")
ESTIMATOR = golden("stereocrw_estimator")
TINY = Geometry(seconds=0.064, stride=4, patches=49, longest=1e-3)


@pytest.fixture(scope="module")
def network() -> StereoCRW:
    """The recorder drew the window of the spectra like any other tensor: a file holds it too."""
    network = StereoCRW()
    shapes = {published_name(name): tensor.shape for name, tensor in network.state_dict().items()}
    weights = state(
        shapes, lambda name, shape: math.sqrt(2 / math.prod(shape[1:])) if len(shape) == 4 else None
    )
    network.load_state_dict({name: weights[published_name(name)] for name in network.state_dict()})
    return network.eval().requires_grad_(False)


def test_the_published_size(network: StereoCRW):
    assert sum(p.numel() for p in network.parameters()) == 4_968_320


def test_spectra_of_patches(network: StereoCRW):
    near(network.spectra(RECORDED["tiny.wav"][:, 0, : TINY.patch]), RECORDED["tiny.left_spec_patch0"])


def test_both_channels_are_embedded_as_published(network: StereoCRW):
    left, right = (network.embed(RECORDED["tiny.wav"][:, ear], TINY) for ear in (0, 1))
    near(left, RECORDED["tiny.left_feat"])
    near(right, RECORDED["tiny.right_feat"])
    alike = likeness(left, right)
    near(alike, RECORDED["tiny.aff_L2R"], atol=1e-4)
    near(1e6 * delays(alike, TINY), 1e6 * RECORDED["tiny.itd_per_patch_s"], atol=0.05)
    near(1e6 * delays(alike, TINY).mean(dim=-1), 1e6 * RECORDED["tiny.itd_s"], atol=0.01)


@pytest.mark.slow
def test_the_geometry_of_the_published_metric(network: StereoCRW):
    assert RECORDED["bewo.wav"].shape[-1] == BEWO.samples
    left, right = (network.embed(RECORDED["bewo.wav"][:, ear], BEWO) for ear in (0, 1))
    near(left[:, :8], RECORDED["bewo.left_feat_first8"])
    near(right[:, :8], RECORDED["bewo.right_feat_first8"])
    alike = likeness(left, right)
    near(alike[:, 256], RECORDED["bewo.aff_L2R_row256"], atol=1e-4)
    near(1e6 * delays(alike, BEWO), 1e6 * RECORDED["bewo.itd_per_patch_s"], atol=0.05)
    near(1e6 * delays(alike, BEWO).mean(dim=-1), 1e6 * RECORDED["bewo.itd_s"], atol=0.01)
    near(1e6 * pooled(delays(alike, BEWO)), 1e6 * RECORDED["bewo.pool256"], atol=0.05)


def test_every_way_to_read_a_delay():
    geometry = Geometry(stride=1, patches=97, longest=1.5e-3)
    alike = ESTIMATOR["aff_L2R"]
    near(lags(97, 1, alike), ESTIMATOR["delay_time_s"][0], atol=1e-9)
    near(counterparts(alike, geometry.reach)[0, 48], ESTIMATOR["masked_softmax_row48"], atol=1e-6)
    each = delays(alike, geometry)
    near(each, ESTIMATOR["itd_per_patch_s"], atol=1e-9)
    near(each.mean(dim=-1), ESTIMATOR["itd_mean_s"], atol=1e-9)
    near(likeliest_delays(alike, geometry).mean(dim=-1), ESTIMATOR["itd_argmax_s"], atol=1e-9)
    near(both_ways(alike, geometry).mean(dim=-1), ESTIMATOR["itd_bidirectional_s"], atol=1e-9)
    near(consistent_delays(alike, geometry)[0].mean()[None], ESTIMATOR["itd_cycle_s"], atol=1e-9)
    near(most_agreed(each[0])[None], ESTIMATOR["itd_ransac_s"], atol=1e-9)


def test_the_delay_of_an_angle():
    near(delay_of_angle(ESTIMATOR["geom.angle_deg"]), ESTIMATOR["geom.itd_s"], atol=1e-9)


@pytest.mark.parametrize(("name", "size", "geometry"), [("tiny", 512, TINY), ("bewo", 3840, BEWO)])
def test_the_delay_by_phase_as_published(name: str, size: int, geometry: Geometry):
    found = published_delay(RECORDED[f"{name}.wav"], size, geometry.patches, geometry.longest)
    near(1e3 * found, 1e3 * RECORDED[f"{name}.gcc_phat_s"], atol=1e-6)
