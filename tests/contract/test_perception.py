"""Every perception model keeps its promise: sizes, ranges, and that it sees what is there."""

import cv2
import numpy as np
import pytest
import torch

from prismaudio.backends.embedded.imagenet import NAMES, sound_of_image_classes
from prismaudio.backends.embedded.motion import COLUMNS, FEATURES_PER_COLUMN, MotionEncoder, is_cut
from prismaudio.backends.embedded.vision import ImageNetwork, Projection
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.types import Frames

WIDTH, HEIGHT = MotionEncoder.frame_size


def background(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    blotches = rng.uniform(20, 230, (HEIGHT // 2, WIDTH // 2, 3)).astype(np.float32)
    return (
        cv2.resize(blotches, (4 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    )


def clip(square_x: list[int], camera_x: list[int] | None = None) -> Frames:
    """A bright square at given x, over a background seen by a camera at given x."""
    wide = background()
    images = []
    for k, x in enumerate(square_x):
        shift = camera_x[k] if camera_x else 0
        image = wide[:HEIGHT, shift : shift + WIDTH].copy()
        image[40:64, x : x + 24] = (250, 240, 30)
        images.append(image)
    return Frames(np.stack(images), 25.0)


def change(features: torch.Tensor) -> torch.Tensor:
    """(K, columns): how much each column changes."""
    return features[:, : COLUMNS * FEATURES_PER_COLUMN].reshape(len(features), COLUMNS, -1)[..., 0]


def flow_right(features: torch.Tensor) -> torch.Tensor:
    return features[:, : COLUMNS * FEATURES_PER_COLUMN].reshape(len(features), COLUMNS, -1)[..., 1]


def test_motion_has_one_row_per_frame_and_is_finite() -> None:
    features = MotionEncoder().encode(clip([20, 24, 28]))
    assert features.shape == (3, MotionEncoder.dim)
    assert torch.isfinite(features).all()


def test_a_still_picture_has_no_motion() -> None:
    assert float(MotionEncoder().encode(clip([40] * 5)).abs().max()) == 0


def test_one_frame_is_enough() -> None:
    assert MotionEncoder().encode(clip([10])).shape == (1, MotionEncoder.dim)


@pytest.mark.parametrize(("x", "column"), [(10, 0), (130, COLUMNS - 2)])
def test_motion_is_seen_where_it_is(x: int, column: int) -> None:
    seen = change(MotionEncoder().encode(clip([x + 3 * (k % 2) for k in range(6)])))[1:].mean(dim=0)
    assert abs(int(seen.argmax()) - column) <= 1


def test_the_direction_of_slow_motion_has_a_sign() -> None:
    right = flow_right(MotionEncoder().encode(clip([30 + k for k in range(8)])))[1:].sum()
    left = flow_right(MotionEncoder().encode(clip([100 - k for k in range(8)])))[1:].sum()
    assert float(right) > 0.05
    assert float(left) < -0.05


def test_a_panning_camera_is_no_motion_of_things() -> None:
    steps = range(0, 16, 2)
    panned = MotionEncoder().encode(clip([500] * 8, list(steps)))
    moved = MotionEncoder().encode(clip([30 + 4 * k for k in range(8)]))
    assert float(change(panned)[2:].mean()) < 0.3 * float(change(moved)[2:].mean())
    assert float(panned[2:, -4].abs().mean()) > 0.1  # the camera's own shift is told apart


def test_a_cut_is_found_and_is_not_motion() -> None:
    first, second = background(1)[:HEIGHT, :WIDTH], background(2)[:HEIGHT, :WIDTH]
    features = MotionEncoder().encode(Frames(np.stack([first, first, second, second]), 25.0))
    assert features[:, -2].tolist() == [0, 0, 1, 0]
    assert float(change(features).abs().max()) == 0
    assert not is_cut(first[..., 0], first[..., 0])


def test_image_features_have_columns_and_probabilities_sum_to_one() -> None:
    network = ImageNetwork()
    columns = network.columns(clip([20, 60, 100]))
    assert columns.shape == (3, 5, 1280)
    classes = network.image_classes(columns)
    torch.testing.assert_close(classes.sum(dim=1), torch.ones(3), atol=2e-2, rtol=0)


def test_the_projection_whitens_what_it_was_fitted_to() -> None:
    columns = torch.randn(400, 5, 1280) @ torch.diag(torch.linspace(3, 0.1, 1280))
    projection = Projection()
    projection.fit(columns)
    tokens = projection(columns)
    assert tokens.shape == (400, 128)
    torch.testing.assert_close(tokens.std(dim=0), torch.ones(128), atol=0.1, rtol=0)
    assert float(tokens.mean(dim=0).abs().max()) < 0.05


def test_names_given_to_image_classes_are_known_sounds() -> None:
    assert set(NAMES) <= {word.name for word in VOCABULARY}
    labrador = torch.zeros(1000)
    labrador[208] = 0.9
    assert sound_of_image_classes(labrador) == ("dog", pytest.approx(0.9))
    bookcase = torch.zeros(1000)
    bookcase[453] = 1.0
    assert sound_of_image_classes(bookcase) is None
