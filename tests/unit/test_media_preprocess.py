"""Picture geometry."""

import numpy as np
import pytest
from media_clips import corners, grey

from prismaudio.media.preprocess import View


def test_pad_shows_everything_between_black_bars():
    seen = View(1, 64, 64, "pad")(grey(200, 64, 32))
    assert (seen[16:48] == 200).all()
    assert (seen[:16] == 0).all()
    assert (seen[48:] == 0).all()


def test_an_odd_bar_is_longer_on_the_right():
    seen = View(1, 8, 8, "pad", "bilinear")(grey(200, 5, 8))
    assert seen[0, :, 0].tolist() == [0, 200, 200, 200, 200, 200, 0, 0]


def test_cover_cuts_what_sticks_out():
    seen = View(1, 48, 48, "cover")(corners(96, 48))
    assert seen.shape == (48, 48, 3)
    assert seen[4, 4].tolist() == [255, 0, 0]
    assert seen[-4, -4].tolist() == [255, 255, 255]


def test_inside_keeps_the_proportions_and_never_enlarges():
    assert View(1, 100, 100, "inside")(grey(9, 320, 180)).shape == (56, 100, 3)
    assert View(1, 100, 100, "inside")(grey(9, 32, 18)).shape == (18, 32, 3)


def test_the_right_size_is_left_alone():
    image = corners()
    np.testing.assert_array_equal(View(1, 64, 48, "stretch")(image), image)


@pytest.mark.parametrize("fit", ["pad", "cover", "stretch", "inside"])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (7, 5), (321, 179)])
def test_every_size_fits(fit: str, size: tuple[int, int]):
    seen = View(1, 30, 20, fit)(grey(100, *size))  # type: ignore[arg-type]
    assert seen.dtype == np.uint8
    assert seen.shape == (20, 30, 3) or fit == "inside"


def test_smooth_has_no_moire():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(View(1, 21, 21, "stretch")(stripes).astype(int)) < 60
    assert np.ptp(View(1, 21, 21, "stretch", "bilinear")(stripes).astype(int)) > 200
