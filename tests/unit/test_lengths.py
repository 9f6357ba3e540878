"""Counts of the 9 s clip of the published model, and of clips it could not take."""

import math

import pytest
import torch

from prismaudio.models import lengths
from prismaudio.models.lengths import InvalidDuration


def test_nine_seconds_are_as_published():
    counts = [
        count(9.0)
        for count in (
            lengths.latent_frames,
            lengths.latent_samples,
            lengths.clip_samples,
            lengths.video_frames,
            lengths.sync_frames,
            lengths.sync_segments,
            lengths.sync_tokens,
        )
    ]
    assert counts == [194, 397_312, 396_900, 36, 225, 27, 216]


@pytest.mark.parametrize(
    ("duration", "frames", "segments"), [(5.0, 108, 14), (8.0, 172, 24), (15.0, 323, 45)]
)
def test_other_durations_are_as_published(duration: float, frames: int, segments: int):
    assert lengths.latent_frames(duration) == frames
    assert lengths.sync_segments(duration) == segments


@pytest.mark.parametrize("duration", [0.001, 0.2, 0.63])
def test_a_clip_shorter_than_a_segment_has_one_of_everything(duration: float):
    assert lengths.latent_frames(duration) >= 1
    assert lengths.video_frames(duration) >= 1
    assert (lengths.sync_frames(duration), lengths.sync_segments(duration)) == (16, 1)


@pytest.mark.parametrize("duration", [0.0, -1.0, math.nan, math.inf])
def test_impossible_durations_are_refused(duration: float):
    with pytest.raises(InvalidDuration, match="positive number of seconds"):
        lengths.latent_frames(duration)


def test_sound_is_cut_or_filled_at_its_end():
    audio = torch.arange(1.0, 4.0).repeat(2, 1)
    assert lengths.fit_samples(audio, 2).tolist() == [[1, 2], [1, 2]]
    assert lengths.fit_samples(audio, 5).tolist() == [[1, 2, 3, 0, 0]] * 2
