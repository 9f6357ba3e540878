"""Delay and level between the ears: planted ones are found, and references are kept to."""

import math
from pathlib import Path

import pytest
import torch
from small_judges import crw_file

from prismaudio.backends.availability import NotAvailable, available
from prismaudio.backends.base import Sounds, UnlikeSounds
from prismaudio.backends.embedded.interaural import InterauralJudge, closeness
from prismaudio.backends.pretrained.stereocrw import StereoCRWJudge
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.models.interaural import listen, side_to_middle, squared_error, weighted_median
from prismaudio.models.stereocrw import BEWO, Geometry, counterparts, delays
from prismaudio.types import Audio

RATE = 44_100
SMALL = Geometry(seconds=0.064, stride=8, patches=7, longest=1e-3)


def source(delay_ms: float, level_db: float = 0.0, seconds: float = 2.0, seed: int = 0) -> torch.Tensor:
    """(2, N) noise whose right channel lags by `delay_ms` and whose left one is louder by `level_db`."""
    count = round(seconds * RATE)
    noise = 0.1 * torch.randn(count, generator=torch.Generator().manual_seed(seed))
    hertz = torch.fft.rfftfreq(count, 1 / RATE)
    turn = torch.exp(-2j * torch.pi * hertz * delay_ms / 1e3)
    right = torch.fft.irfft(torch.fft.rfft(noise) * turn, n=count)
    return torch.stack([noise * 10 ** (level_db / 20), right])


def sounds(*clips: torch.Tensor) -> Sounds:
    return Sounds(torch.stack(clips), RATE)


@pytest.mark.parametrize("planted", [0.0, 0.3, -0.5, 0.7, 1.2])
def test_a_planted_delay_is_found(planted: float):
    found = listen(source(planted)[None], RATE).delay[0] * 1e3
    torch.testing.assert_close(found, torch.full((4,), planted), atol=0.005, rtol=0)


def test_a_planted_level_is_found():
    torch.testing.assert_close(
        listen(source(0, 7.0)[None], RATE).level[0], torch.full((4,), 7.0), atol=0.1, rtol=0
    )


def test_swapped_channels_turn_the_signs():
    here = listen(source(0.4, 5.0)[None], RATE)
    there = listen(source(0.4, 5.0).flip(0)[None], RATE)
    torch.testing.assert_close(there.delay, -here.delay, atol=1e-6, rtol=0)
    torch.testing.assert_close(there.level, -here.level, atol=1e-3, rtol=0)


def test_a_source_that_moves_is_followed():
    moving = torch.cat([source(-0.4, seconds=2.0), source(0.6, seconds=2.0)], dim=1)
    found = listen(moving[None], RATE).delay[0] * 1e3
    torch.testing.assert_close(
        found[[0, 1, 2, 5, 6, 7]], torch.tensor([-0.4] * 3 + [0.6] * 3), atol=0.01, rtol=0
    )


def test_silence_has_no_direction():
    half = source(0.3, seconds=2.0)
    half[:, RATE:] = 0
    found = listen(half[None], RATE)
    assert not found.delay[0, :2].isnan().any()
    assert found.delay[0, 3].isnan()
    assert found.level[0, 3].isnan()
    assert listen(torch.zeros(1, 2, 100), RATE).delay.isnan().all()


def test_what_is_far_quieter_than_the_rest_has_no_say():
    fading = torch.cat([source(0.3, seconds=2.0), 10 ** (-50 / 20) * source(-0.5, seconds=1.0)], dim=1)
    found = listen(fading[None], RATE).delay[0]
    assert found.isnan().tolist() == [False] * 4 + [False, True]  # windows reach over the edge of a block
    torch.testing.assert_close(found[4] * 1e3, torch.tensor(0.3), atol=0.01, rtol=0)


def test_the_median_lies_amid_the_weight():
    values = torch.tensor([[5.0, 1.0, 3.0], [5.0, 1.0, 3.0], [5.0, 1.0, 3.0]])
    weights = torch.tensor([[1.0, 1.0, 1.0], [3.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    found = weighted_median(values, weights)
    assert found[:2].tolist() == [3.0, 5.0]
    assert found[2].isnan()


def test_what_is_where_the_reference_is_scores_one():
    judge = InterauralJudge("both")
    score = judge.score(sounds(source(0.4, 6.0, seed=1)), sounds(source(0.4, 6.0, seed=2)))
    torch.testing.assert_close(score, torch.ones(1), atol=0.02, rtol=0)


@pytest.mark.parametrize(("off", "expected"), [(0.1, 0.8), (0.25, 0.5), (0.8, 0.0)])
def test_a_score_falls_with_the_delay_that_is_off(off: float, expected: float):
    score = InterauralJudge().score(sounds(source(0.3 + off)), sounds(source(0.3)))
    torch.testing.assert_close(score, torch.tensor([expected]), atol=0.02, rtol=0)


def test_a_score_falls_with_the_level_that_is_off():
    score = InterauralJudge("level").score(sounds(source(0.3, 3.0)), sounds(source(0.3)))
    torch.testing.assert_close(score, torch.tensor([0.75]), atol=0.01, rtol=0)


def test_a_mono_reference_scores_nothing_and_silence_cannot_win():
    mono = source(0.0)
    score = InterauralJudge().score(
        sounds(source(0.3), source(0.3) * 0, source(0.3)),
        sounds(mono, source(0.3), source(0.3) * 0),
    )
    assert score[0].isnan()
    assert score[1] == 0
    assert score[2].isnan()
    assert side_to_middle(mono[None]) < -60


def test_sounds_are_judged_as_if_alone():
    clips = [source(0.1 * k - 0.4, k - 4, seed=k) for k in range(8)]
    ours, theirs = sounds(*clips), sounds(*reversed(clips))
    together = InterauralJudge("both").score(ours, theirs)
    alone = [
        InterauralJudge("both").score(sounds(a), sounds(b))
        for a, b in zip(clips, reversed(clips), strict=True)
    ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0, equal_nan=True)


def test_moments_without_a_reference_do_not_count():
    ours, theirs = torch.tensor([[0.0, 0.0, torch.nan]]), torch.tensor([[0.0, torch.nan, 0.0, 5.0]])
    assert closeness(ours, theirs, worst=1.0).tolist() == [0.5]


def test_the_error_of_tables_is_that_of_means_in_thousandths():
    found = squared_error(torch.tensor([[1e-4, 3e-4]]), torch.tensor([[1e-4, torch.nan]]))
    torch.testing.assert_close(found, torch.tensor([1e3 * 0.1**2]))


def test_only_alike_sounds_are_put_together():
    a, b = Audio(torch.zeros(2, 10), RATE), Audio(torch.zeros(2, 11), RATE)
    assert Sounds.together([a, a]).samples.shape == (2, 2, 10)
    with pytest.raises(UnlikeSounds, match="must be alike"):
        Sounds.together([a, b])


@pytest.fixture(scope="module")
def crw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crw_file(tmp_path_factory.mktemp("crw") / "FreeMusic-StereoCRW-1024.pth.tar")


def test_stereocrw_says_which_weights_and_which_geometry(crw: Path):
    published, fast = StereoCRWJudge.from_file(crw), StereoCRWJudge.from_file(crw, "cpu", SMALL, 1.0)
    digest = published.versions["weights"]
    assert published.name == f"crw@{digest[:12]}"
    assert fast.name == f"crw_fast@{digest[:12]}"
    assert BEWO.samples == 4352
    assert BEWO.reach == 24


def test_stereocrw_hears_all_windows_and_each_sound_alone(crw: Path):
    judge = StereoCRWJudge.from_file(crw, "cpu", SMALL, 8.0)
    clips = sounds(source(0.3, seconds=0.19), source(-0.3, seconds=0.19, seed=1))
    found = judge.delays(clips)
    assert found.shape == (2, 2)  # from 0 and 0.125 s, the second to the very end
    torch.testing.assert_close(found[1:], judge.delays(sounds(clips.samples[1])), atol=1e-9, rtol=1e-3)


def test_stereocrw_scores_nothing_beside_a_mono_reference(crw: Path):
    judge = StereoCRWJudge.from_file(crw, "cpu", SMALL, 8.0)
    stereo, mono = source(0.3, seconds=0.05), source(0.0, seconds=0.05)
    assert judge.score(sounds(stereo), sounds(mono)).isnan()
    assert judge.score(sounds(stereo), sounds(stereo)).tolist() == [1]


def test_a_ridge_of_likeness_is_read_as_its_delay():
    place = torch.arange(97)
    lag = 7
    alike = 20 * torch.exp(-((place - place[:, None] - lag) ** 2) / 2.0)[None] + 1e-3
    found = delays(alike, Geometry(patches=97))
    assert found.shape == (1, 49)
    torch.testing.assert_close(found * 16_000, torch.full((1, 49), float(lag)), atol=0.01, rtol=0)
    chances = counterparts(alike, 24)
    torch.testing.assert_close(chances.sum(dim=-1), torch.ones(1, 97))
    assert not chances[0, 0, 25:].any()


def test_absent_and_damaged_stereocrw_are_a_reason(tmp_path: Path, crw: Path):
    absent = available("StereoCRW", lambda: StereoCRWJudge.from_file(tmp_path / "none.pth.tar"))
    assert isinstance(absent, NotAvailable)
    assert str(absent).startswith("n/a: no weights at")
    assert math.isnan(absent.scores(1).item())
    (tmp_path / "half.pth.tar").write_bytes(crw.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged"):
        StereoCRWJudge.from_file(tmp_path / "half.pth.tar")
