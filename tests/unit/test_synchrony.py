"""Synchformer as a judge, with a small random network in a file of its layout; and how its votes are read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_judges import RATE, noise, synchformer_file

pytest.importorskip("transformers")

from prismaudio.backends.availability import NotAvailable, available
from prismaudio.backends.base import Sounds, Unjudgeable
from prismaudio.backends.content_cache import ContentCache, content_key
from prismaudio.backends.pretrained.synchformer_judge import SynchformerJudge
from prismaudio.backends.pretrained.windows import covering
from prismaudio.backends.synchrony import Synchrony, offset_grid
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.types import Frames


def film(seconds: float, seed: int = 0) -> Frames:
    images = np.random.default_rng(seed).integers(0, 256, (round(25 * seconds), 224, 224, 3), dtype=np.uint8)
    return Frames(images, 25)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synchformer_file(tmp_path_factory.mktemp("synchformer") / "synchformer_state_dict.pth")


@pytest.fixture(scope="module")
def judge(path: Path) -> SynchformerJudge:
    return SynchformerJudge.from_pretrained(path)


@pytest.fixture(scope="module")
def nine_seconds() -> Frames:
    return film(9.0)


def votes(*offsets: float) -> Synchrony:
    """One sound, sure of one offset a window."""
    away = (offset_grid() - torch.tensor(offsets)[:, None]).abs()
    return Synchrony(-1e4 * away[None], tuple(float(k) for k in range(len(offsets))))


def test_offsets_are_two_tenths_of_a_second_apart():
    torch.testing.assert_close(offset_grid(), torch.arange(-10, 11) * 0.2)


def test_desync_is_the_mean_of_the_first_and_the_last_window():
    torch.testing.assert_close(votes(0.2, 1.8, -0.6).desync(), torch.tensor([0.4]))
    torch.testing.assert_close(votes(-1.2).desync(), torch.tensor([1.2]))


def test_the_reward_is_expected_over_all_windows_and_is_one_in_time():
    torch.testing.assert_close(votes(0.0, 0.0).expected(), torch.ones(1))
    torch.testing.assert_close(votes(2.0, -2.0).expected(), torch.zeros(1))
    torch.testing.assert_close(votes(0.0, 2.0, 1.0).expected(), torch.tensor([0.5]))
    unsure = Synchrony(torch.zeros(1, 1, 21), (0.0,))
    torch.testing.assert_close(unsure.expected(), 1 - offset_grid().abs().mean()[None] / 2)


def test_the_published_reward_looks_at_one_window_only():
    torch.testing.assert_close(votes(0.4, -2.0).published_reward(), torch.tensor([0.4]))


@pytest.mark.parametrize(("total", "starts"), [(14, [0]), (24, [0, 10]), (27, [0, 13]), (42, [0, 14, 28])])
def test_windows_cover_with_the_first_at_the_beginning_and_the_last_at_the_end(total: int, starts: list[int]):
    assert covering(total, 14) == starts


def test_nothing_is_left_between_windows():
    for total in range(1, 100):
        covered = set().union(*(range(start, start + 14) for start in covering(total, 14)))
        assert covered >= set(range(total))


def test_nine_seconds_are_two_windows(judge: SynchformerJudge, nine_seconds: Frames):
    verdict = judge.score(noise(9.0), nine_seconds)
    assert verdict.logits.shape == (1, 2, 21)
    assert verdict.starts == pytest.approx((0.0, 4.16))


def test_the_last_second_of_nine_is_judged(judge: SynchformerJudge, nine_seconds: Frames):
    sounds = noise(9.0)
    changed = Sounds(sounds.samples.clone(), RATE)
    changed.samples[..., -RATE:] *= 10
    before, after = (judge.score(x, nine_seconds).logits for x in (sounds, changed))
    assert torch.equal(before[:, 0], after[:, 0])
    assert (before[:, 1] - after[:, 1]).abs().max() > 1e-3


def test_sounds_are_judged_as_if_alone(judge: SynchformerJudge, nine_seconds: Frames):
    sounds = noise(9.0, count=8)
    together = judge.score(sounds, nine_seconds).logits
    for k in (0, 7):
        alone = judge.score(Sounds(sounds.samples[k : k + 1], RATE), nine_seconds).logits
        torch.testing.assert_close(together[k : k + 1], alone, atol=1e-4, rtol=0)


def test_a_film_is_looked_at_once(
    path: Path, nine_seconds: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    judge = SynchformerJudge.from_pretrained(path, cache=tmp_path / "seen")
    fresh = judge.score(noise(9.0), nine_seconds).logits
    another = SynchformerJudge.from_pretrained(path, cache=tmp_path / "seen")
    for later in (judge, another):
        monkeypatch.setattr(later._eyes, "encode", lambda _: pytest.fail("looked again"))
        same = Frames(nine_seconds.images.copy(), nine_seconds.fps)
        assert torch.equal(later.score(noise(9.0), same).logits, fresh)


def test_another_film_is_another_entry(nine_seconds: Frames):
    key = content_key(nine_seconds, "weights", "preparation")
    changed = nine_seconds.images.copy()
    changed[100, 5, 5, 0] ^= 1
    others = [
        content_key(Frames(changed, 25), "weights", "preparation"),
        content_key(Frames(nine_seconds.images, 24), "weights", "preparation"),
        content_key(nine_seconds, "other weights", "preparation"),
        content_key(nine_seconds, "weights", "another preparation"),
    ]
    assert len({key, *others}) == 5
    assert key == content_key(Frames(nine_seconds.images.copy(), 25), "weights", "preparation")


def test_a_damaged_entry_is_computed_again(tmp_path: Path):
    cache = ContentCache(tmp_path, in_memory=1)
    cache.get("a", lambda: torch.ones(2))
    cache.get("b", lambda: torch.zeros(2))
    assert cache.get("a", lambda: pytest.fail("is in the folder")).tolist() == [1, 1]
    (tmp_path / "b.safetensors").write_bytes(b"nothing")
    assert cache.get("b", lambda: torch.full((2,), 5.0)).tolist() == [5, 5]
    assert ContentCache(tmp_path).get("b", lambda: pytest.fail("was written anew")).tolist() == [5, 5]


@pytest.mark.parametrize(("seen", "heard"), [(4.0, 9.0), (9.0, 4.0), (0.2, 9.0), (9.0, 0.3)])
def test_what_is_too_short_is_not_judged(judge: SynchformerJudge, seen: float, heard: float):
    with pytest.raises(Unjudgeable, match=r"needs 4\.8 s"):
        judge.score(noise(heard), film(seen))
    verdict = available("DeSync", lambda: judge.score(noise(heard), film(seen)).desync())
    assert isinstance(verdict, NotAvailable)


def test_half_a_synchformer_and_no_synchformer_are_named(tmp_path: Path, path: Path):
    state = torch.load(path)["model"]
    seen = {name: tensor for name, tensor in state.items() if "vfeat" in name}
    torch.save(seen, tmp_path / "half.pth")
    with pytest.raises(CheckpointError, match="not all of Synchformer"):
        SynchformerJudge.from_pretrained(tmp_path / "half.pth")
    few = {name: tensor for name, tensor in state.items() if "vproj.bias" not in name}
    torch.save(few, tmp_path / "few.pth")
    with pytest.raises(CheckpointError, match=r"1 tensors are missing \(vproj\.bias\)"):
        SynchformerJudge.from_pretrained(tmp_path / "few.pth")
    assert isinstance(available("DeSync", lambda: SynchformerJudge.from_pretrained(tmp_path)), NotAvailable)
