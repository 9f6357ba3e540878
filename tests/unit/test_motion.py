"""The camera is told apart from things that move, and features of motion say where and what moved."""

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from prismaudio.backends.embedded.camera import Camera, CameraFinder
from prismaudio.backends.embedded.motion import (
    COLUMN_FEATURES,
    COLUMNS,
    FEATURES_PER_COLUMN,
    FRAME_FEATURES,
    MotionEncoder,
    mirror,
)
from prismaudio.types import Frames

SIZE = (80, 56)
Grey = NDArray[np.uint8]


def scenery(seed: int = 0, width: int = 160, height: int = 112, scale: int = 6) -> Grey:
    """A picture with texture everywhere."""
    rng = np.random.default_rng(seed)
    blotches = rng.uniform(20, 230, (height // scale, width // scale)).astype(np.float32)
    return cv2.resize(blotches, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def shot(camera: Camera, seed: int = 0) -> Grey:
    """(56, 80) of a large scenery, after the camera's motion."""
    matrix = CameraFinder(*SIZE)._matrix(camera)
    matrix[:, 2] -= matrix[:, :2] @ np.array([40, 28])  # the middle of the scenery
    return cv2.warpAffine(scenery(seed), matrix, SIZE)


def find(earlier: Grey, later: Grey, recent: Camera = Camera()) -> Camera:  # noqa: B008
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST).calc(earlier, later, None)
    return CameraFinder(*SIZE).find(earlier.astype(np.float32), later.astype(np.float32), flow, recent)


def with_thing(background: Grey, x: int, y: int, width: int = 46, height: int = 34) -> Grey:
    """A textured thing in front, of a third of the picture."""
    picture = background.copy()
    picture[y : y + height, x : x + width] = scenery(9, 96, 72, 5)[:height, :width]
    return picture


def noisy(picture: Grey, seed: int, level: float = 4.0) -> Grey:
    grain = np.random.default_rng(seed).normal(0, level, picture.shape)
    return (picture + grain).clip(0, 255).astype(np.uint8)


def encode(pictures: list[Grey]) -> torch.Tensor:
    return MotionEncoder().encode(Frames(np.stack([np.stack([p] * 3, axis=-1) for p in pictures]), 25.0))


def column(features: torch.Tensor, name: str) -> torch.Tensor:
    """(K, C) of one column feature."""
    columns = features[:, : COLUMNS * FEATURES_PER_COLUMN].reshape(len(features), COLUMNS, -1)
    return columns[..., COLUMN_FEATURES.index(name)]


def frame(features: torch.Tensor, name: str) -> torch.Tensor:
    """(K,) of one feature of the whole picture."""
    return features[:, COLUMNS * FEATURES_PER_COLUMN + FRAME_FEATURES.index(name)]


@pytest.mark.parametrize(
    "camera",
    [
        Camera(right=0.4),
        Camera(right=-2.3, down=1.1),
        Camera(right=6.0, down=-2.0),
        Camera(zoom=0.8),
        Camera(turn=-0.7, down=0.5),
    ],
)
def test_shift_zoom_and_turn_are_found(camera: Camera) -> None:
    found = find(noisy(shot(Camera()), 1, 2.0), noisy(shot(camera), 2, 2.0))
    assert tuple(found) == pytest.approx(tuple(camera), abs=0.12, rel=0.03)


@pytest.mark.parametrize("step", [(1, 0), (3, 0), (0, -3), (5, 4)])
def test_a_large_thing_before_a_still_background_is_not_the_camera(step: tuple[int, int]) -> None:
    background = noisy(shot(Camera()), 1)
    later = noisy(shot(Camera()), 2)
    found = find(with_thing(background, 15, 11), with_thing(later, 15 + step[0], 11 + step[1]))
    assert found.still


@pytest.mark.parametrize(
    ("place", "step", "pan"),
    [
        ((15, 11), 4, Camera(right=-1.5)),
        ((2, 11), 4, Camera(right=2.5)),
        ((30, 11), 2, Camera(right=-1.0, down=0.5)),
        ((15, 11), -3, Camera(right=0.3, down=-0.3)),
    ],
)
def test_a_large_thing_does_not_drag_a_panning_camera_along(
    place: tuple[int, int], step: int, pan: Camera
) -> None:
    x, y = place
    earlier = with_thing(noisy(shot(Camera()), 1, 2.0), x, y)
    later = with_thing(noisy(shot(pan), 2, 2.0), max(x + step, 0), y)
    assert tuple(find(earlier, later)) == pytest.approx(tuple(pan), abs=0.2)


def test_a_whipping_camera_is_found() -> None:
    whip = Camera(right=12.0)
    assert find(noisy(shot(Camera()), 1, 3.0), noisy(shot(whip), 2, 3.0)).right == pytest.approx(12, abs=0.4)


@pytest.mark.parametrize("camera", [Camera(right=2.0, down=-1.0), Camera(zoom=1.5), Camera(turn=2.0)])
def test_the_flow_of_a_camera_is_where_it_takes_the_picture(camera: Camera) -> None:
    finder = CameraFinder(*SIZE)
    x, y = np.meshgrid(np.arange(80, dtype=np.float32), np.arange(56, dtype=np.float32))
    place, inside = finder.follow(x, camera)
    flow = x - place  # at the later place: by how much the picture came from the left
    np.testing.assert_allclose(flow[inside > 0.999], finder.flow(camera)[..., 0][inside > 0.999], atol=0.12)
    place, inside = finder.follow(y, camera)
    flow = y - place
    np.testing.assert_allclose(flow[inside > 0.999], finder.flow(camera)[..., 1][inside > 0.999], atol=0.12)


def test_a_thing_a_panning_camera_keeps_in_sight_moves() -> None:
    wide = scenery(3, 320, 112)
    followed = encode([_with_block(wide[:, x : x + 160], 60) for x in range(0, 40, 4)])[2:]
    assert float(column(followed, "right").sum(dim=1).min()) > 0.08


def test_a_thing_before_a_wall_without_texture_is_not_the_camera() -> None:
    wall = np.full((56, 80), 120, np.uint8)
    assert find(with_thing(wall, 15, 11), with_thing(wall, 18, 11)).still


def test_noise_of_the_sensor_moves_no_camera_and_no_thing() -> None:
    pictures = [noisy(scenery(), seed, 5.0) for seed in range(6)]
    features = encode(pictures)
    assert not frame(features, "camera right").any()
    assert not frame(features, "camera down").any()
    assert float(column(features, "change").abs().max()) < 0.01


def test_flat_pictures_have_no_motion_even_if_the_light_changes() -> None:
    flat = [np.full((112, 160), level, np.uint8) for level in (0, 0, 8, 30, 30)]
    features = encode(flat)
    assert torch.isfinite(features).all()
    assert not column(features, "speed").any()
    assert not frame(features, "camera right").any()


def test_what_comes_into_sight_at_the_border_is_no_change() -> None:
    wide = scenery(3, 320, 112)
    panned = encode([wide[:, x : x + 160] for x in range(0, 40, 4)])[2:]
    moved = encode([_with_block(wide[:, :160], 40 + x) for x in range(0, 40, 4)])[2:]
    assert float(frame(panned, "camera right").mean()) == pytest.approx(-0.5, abs=0.05)
    assert float(column(panned, "change").mean()) < 0.1 * float(column(moved, "change").mean())


def test_the_camera_of_another_shot_is_forgotten() -> None:
    wide, other = scenery(3, 320, 112), scenery(4)
    pan = [wide[:, x : x + 160] for x in (0, 4, 8, 12)]
    features = encode([*pan, other, other])
    assert frame(features, "cut").tolist() == [0, 0, 0, 0, 1, 0]
    assert not features[5].any()


def test_a_large_thing_that_jumps_before_a_plain_wall_is_no_cut() -> None:
    wall = np.full((112, 160), 120, np.uint8)
    features = encode([_with_block(wall, x, 20, 50) for x in (20, 20, 90)])
    assert not frame(features, "cut").any()
    assert column(features, "change")[2].max() > 0.3


def test_features_of_a_mirrored_clip_are_mirrored() -> None:
    pictures = [_with_block(scenery(), x, 30 + x // 2) for x in range(20, 60, 3)]
    seen = encode(pictures)
    mirrored = encode([np.ascontiguousarray(p[:, ::-1]) for p in pictures])
    torch.testing.assert_close(mirror(mirror(seen)), seen)
    for name in COLUMN_FEATURES:
        here, there = column(mirror(seen), name), column(mirrored, name)
        assert float((here - there).abs().mean()) < 0.2 * float(here.abs().mean()) + 1e-3, name


def test_mirroring_turns_the_camera_around() -> None:
    wide = scenery(3, 320, 112)
    panned = encode([wide[:, x : x + 160] for x in range(0, 40, 4)])
    assert torch.equal(frame(mirror(panned), "camera right"), -frame(panned, "camera right"))
    assert torch.equal(frame(mirror(panned), "camera down"), frame(panned, "camera down"))


def _with_block(background: Grey, x: int, y: int = 40, size: int = 24) -> Grey:
    picture = background.copy()
    picture[y : y + size, x : x + size] = 250
    picture[y : y + size : 6, x : x + size] = 20
    return picture
