"""Audiobox Aesthetics as a judge, with small random networks in files of the published layouts."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_judges import RATE, SCALES, audiobox_file, audiobox_state, noise

pytest.importorskip("transformers")

from prismaudio.backends.availability import NotAvailable, available
from prismaudio.backends.base import Sounds
from prismaudio.backends.pretrained.audiobox import AudioboxJudge
from prismaudio.backends.pretrained.audiobox_network import AXES, real_frames
from prismaudio.dimensions import aesthetic
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.models.resampling import resample


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> AudioboxJudge:
    return AudioboxJudge.from_pretrained(audiobox_file(tmp_path_factory.mktemp("audiobox") / "checkpoint.pt"))


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_heads_are_as_deep_as_the_file_says(tmp_path: Path, depth: int):
    network = AudioboxJudge.from_pretrained(audiobox_file(tmp_path / "checkpoint.pt", depth)).network
    linear = [layer for layer in network.heads["CE"] if isinstance(layer, torch.nn.Linear)]
    bent = [layer for layer in network.heads["CE"] if isinstance(layer, torch.nn.GELU)]
    assert (len(linear), len(bent)) == (depth, depth - 1)


def test_the_files_of_the_hub_are_the_same_judge(tmp_path: Path, judge: AudioboxJudge):
    state = {f"encoder.{name}": tensor for name, tensor in audiobox_state().items()}
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"proj_act_fn": "gelu", "target_transform": SCALES}))
    sounds = noise(1.0)
    torch.testing.assert_close(AudioboxJudge.from_pretrained(tmp_path).score(sounds), judge.score(sounds))


def test_a_folder_with_the_file_of_the_paper_will_do(tmp_path: Path, judge: AudioboxJudge):
    audiobox_file(tmp_path / "checkpoint.pt")
    sounds = noise(1.0)
    assert torch.equal(AudioboxJudge.from_pretrained(tmp_path).score(sounds), judge.score(sounds))


def test_a_frame_counts_if_any_of_its_samples_is_real():
    real = torch.arange(40)[None] < torch.tensor([[21], [40], [20]])
    assert real_frames(4, real).tolist() == [
        [True, True, True, False],
        [True] * 4,
        [True, True, False, False],
    ]


def test_every_axis_is_scaled_and_windows_are_weighed_by_their_length(judge: AudioboxJudge):
    sounds = noise(12.5, channels=1, rate=16_000)
    first, second = (
        Sounds(part, 16_000) for part in (sounds.samples[..., :160_000], sounds.samples[..., 160_000:])
    )
    expected = (10 * judge.score(first) + 2.5 * judge.score(second)) / 12.5
    torch.testing.assert_close(judge.score(sounds), expected, atol=1e-5, rtol=0)
    audio = torch.nn.functional.pad(second.mono, (0, 120_000))
    raw = judge.network(audio, torch.arange(160_000)[None] < 40_000)
    for k, axis in enumerate(judge.axes):
        points = raw[:, k] * SCALES[axis]["std"] + SCALES[axis]["mean"]
        torch.testing.assert_close(judge.score(second)[:, k], points, atol=1e-5, rtol=0)


def test_the_last_second_of_nine_is_heard(judge: AudioboxJudge):
    sounds = noise(9.0)
    changed = Sounds(sounds.samples.clone(), RATE)
    changed.samples[..., -RATE:] = 0.01 * changed.samples[..., -RATE:].cumsum(dim=-1)
    assert (judge.score(sounds) - judge.score(changed)).abs().max() > 1e-4


def test_layers_are_weighed_by_shares_of_one(judge: AudioboxJudge):
    sounds, before = (
        noise(1.0),
        {axis: weights.clone() for axis, weights in judge.network.layer_weights.items()},
    )
    scores = judge.score(sounds)
    for weights in judge.network.layer_weights.values():
        weights.add_(3.0)
    torch.testing.assert_close(judge.score(sounds), scores, atol=1e-5, rtol=0)
    for axis, weights in judge.network.layer_weights.items():
        weights.copy_(before[axis])


def test_padding_says_nothing(judge: AudioboxJudge):
    """Silence after the end of a sound would be another sound."""
    sounds = noise(2.0)
    silent = Sounds(torch.nn.functional.pad(sounds.samples, (0, RATE)), RATE)
    assert not torch.allclose(judge.score(sounds), judge.score(silent), atol=1e-5)
    audio = resample(sounds.samples, RATE, 16_000).mean(dim=1)
    real = torch.ones_like(audio, dtype=torch.bool)
    assert judge.network.layers(audio, real)[1].all()


def test_sounds_are_judged_as_if_alone(judge: AudioboxJudge):
    sounds = noise(3.0, count=8)
    together = judge.score(sounds)
    for k in (0, 7):
        alone = judge.score(Sounds(sounds.samples[k : k + 1], RATE))
        torch.testing.assert_close(together[k : k + 1], alone, atol=1e-5, rtol=0)


def test_rewards_are_readings_of_the_axes():
    scores = torch.tensor([[1.0, 1.0, 1.0, 1.0], [10.0, 10.0, 1.0, 10.0], [4.0, 7.0, 9.0, 4.0]])
    torch.testing.assert_close(aesthetic.reward(scores, AXES), torch.tensor([0.0, 1.0, 12 / 27]))
    torch.testing.assert_close(aesthetic.published_reward(scores, AXES), torch.tensor([0.05, 0.725, 0.15]))


def test_foreign_and_absent_files_are_named(tmp_path: Path):
    torch.save({"state_dict": {"layer": torch.zeros(1)}}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match="lacks what Audiobox"):
        AudioboxJudge.from_pretrained(tmp_path / "foreign.pt")
    torch.save({"state_dict": {}, "model_cfg": {}, "target_transform": SCALES}, tmp_path / "empty.pt")
    with pytest.raises(CheckpointError, match="is not Audiobox"):
        AudioboxJudge.from_pretrained(tmp_path / "empty.pt")
    absent = available("Audiobox", lambda: AudioboxJudge.from_pretrained(tmp_path))
    assert isinstance(absent, NotAvailable)
    assert "model.safetensors" in str(absent)
