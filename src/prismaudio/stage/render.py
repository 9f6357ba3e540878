"""Show a scene: sprites over moving backgrounds, at 25 frames a second, deterministic and fast.

Shapes: K frames, H x W pixels.
"""

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from prismaudio.stage.corpus import read_sprite
from prismaudio.stage.motion import Pose, pose
from prismaudio.stage.scene import Scene, Source
from prismaudio.types import Frames

FPS = 25
Image = NDArray[np.uint8]


def render(scene: Scene, width: int = 160, height: int = 112) -> Frames:
    """-> frames at 25 fps, duration * 25 of them."""
    return Frames(np.stack(list(iter_frames(scene, width, height))), FPS)


def iter_frames(scene: Scene, width: int, height: int) -> Iterator[Image]:
    """One (H, W, 3) RGB picture after the other; frame k shows second k / 25."""
    theatre = Theatre(scene, width, height)
    for k in range(round(scene.duration * FPS)):
        yield theatre.picture(k / FPS)


class Theatre:
    """A scene set up to be looked at, at any moments and in any size; grain is new in every picture."""

    def __init__(self, scene: Scene, width: int, height: int) -> None:
        self.scene = scene
        self.rng = np.random.default_rng((scene.noise_seed, 2))
        self.shots = [_Backdrop(self.rng, width, height) for _ in range(2)]
        cast = (*scene.distractors, *scene.sources)
        self.actors = [_Actor(source, self.rng) for source in cast if source.sprite is not None]
        self.exposure, self.grain = float(self.rng.uniform(0.75, 1.1)), float(self.rng.uniform(0, 5))

    @property
    def camera_moves(self) -> bool:
        """Whether it drifts or shakes in any shot that is shown; a cut is no motion."""
        shown = self.shots if self.scene.cut_at is not None else self.shots[:1]
        return any(shot.drift > 0 or shot.shake > 0 for shot in shown)

    def picture(self, t: float) -> Image:
        """(H, W, 3) at second `t`."""
        second = self.scene.cut_at is not None and t >= self.scene.cut_at
        frame, shift = self.shots[int(second)].at(t)
        for actor in self.actors:
            if actor.source.seen[0] <= t < actor.source.seen[1]:
                actor.draw(frame, t, shift)
        noise = self.rng.standard_normal((*frame.shape[:2], 1), dtype=np.float32) * self.grain
        return np.clip(frame * self.exposure + noise, 0, 255).astype(np.uint8)

    def boxes(self, t: float) -> list[tuple[Source, tuple[float, float, float]]]:
        """What is on screen at second `t`: each source with its centre x, y (0 to 1 of the screen) and its extent
        as a share of the screen's height."""
        second = self.scene.cut_at is not None and t >= self.scene.cut_at
        _, shift = self.shots[int(second)].at(t)
        seen = [a.source for a in self.actors if a.source.seen[0] <= t < a.source.seen[1]]
        return [(source, _box(source, t, self.shots[0].size, shift)) for source in seen]


def _box(
    source: Source, t: float, screen: tuple[int, int], shift: tuple[float, float]
) -> tuple[float, float, float]:
    x, y, size = source.path.at(t)
    change = pose(source, t)
    across = (x + 1) / 2 + (change.dx * size * screen[1] - shift[0]) / screen[0]
    return across, (y + 1) / 2 + change.dy * size - shift[1] / screen[1], size


class _Backdrop:
    """A gradient, room or noise texture, larger than the screen so that the camera can drift over it."""

    MARGIN = 0.2

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        self.size = (width, height)
        big = (int(width * (1 + self.MARGIN)), int(height * (1 + self.MARGIN)))
        self.image = _texture(rng, *big)
        self.drift = float(rng.uniform(0, 0.5)) * self.MARGIN if rng.random() < 0.5 else 0.0
        self.shake = float(rng.uniform(0, 0.012)) if rng.random() < 0.3 else 0.0
        self.phase = rng.uniform(0, 6.28, 4)

    def at(self, t: float) -> tuple[NDArray[np.float32], tuple[float, float]]:
        """-> the visible part as float (H, W, 3), and how far the camera moved in pixels."""
        width, height = self.size
        swing = [
            self.drift * math.sin(0.7 * t + self.phase[i]) / 2
            + self.shake * math.sin(17 * t + self.phase[i + 2])
            for i in range(2)
        ]
        shift = (swing[0] * width, swing[1] * height)
        centre = (self.image.shape[1] / 2 - 0.5 + shift[0], self.image.shape[0] / 2 - 0.5 + shift[1])
        return cv2.getRectSubPix(self.image, (width, height), centre), shift


def _texture(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    top, bottom, floor = (rng.uniform(30, 225, 3) for _ in range(3))
    share = np.linspace(0, 1, height)[:, None, None]
    image = np.broadcast_to(top * (1 - share) + bottom * share, (height, width, 3)).astype(np.float32)
    if rng.random() < 0.6:  # a floor or a horizon
        line = int(height * rng.uniform(0.45, 0.8))
        image[line:] = floor * np.linspace(0.8, 1.1, height - line)[:, None, None]
    coarse = rng.standard_normal((max(height // 16, 2), max(width // 16, 2))).astype(np.float32)
    image = (
        image
        + rng.uniform(0, 25) * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    )
    fine = rng.standard_normal((height, width)).astype(np.float32)
    image = image + rng.uniform(0, 10) * cv2.GaussianBlur(fine, (0, 0), 1.2)[..., None]
    image = np.ascontiguousarray(image, dtype=np.float32)
    for _ in range(int(rng.integers(0, 4))):  # boxes: windows, furniture, houses
        x, y = int(rng.integers(width)), int(rng.integers(height))
        corner = (x + int(rng.integers(8, width // 3)), y + int(rng.integers(8, height // 2)))
        cv2.rectangle(image, (x, y), corner, tuple(float(c) for c in rng.uniform(20, 230, 3)), -1)
    return image


class _Actor:
    """A source's sprite with its colours jittered once."""

    def __init__(self, source: Source, rng: np.random.Generator) -> None:
        assert source.sprite is not None
        self.source = source
        rgba = read_sprite(source.sprite.path).astype(np.float32)
        rgba[..., :3] = np.clip(rgba[..., :3] * rng.uniform(0.85, 1.15, 3) + rng.uniform(-12, 12), 0, 255)
        alpha = rgba[..., 3:] / 255
        self.premultiplied = np.concatenate([rgba[..., :3] * alpha, alpha], axis=2)
        if source.flip:
            self.premultiplied = np.ascontiguousarray(self.premultiplied[:, ::-1])

    def draw(self, frame: NDArray[np.float32], t: float, shift: tuple[float, float]) -> None:
        """Blend over `frame` (H, W, 3) in place."""
        height, width = frame.shape[:2]
        x, y, size = self.source.path.at(t)
        change = pose(self.source, t)
        extent = size * height
        centre = (
            (x + 1) / 2 * width + change.dx * extent - shift[0],
            (y + 1) / 2 * height + change.dy * extent - shift[1],
        )
        matrix, box = self._placement(centre, extent, change, width, height)
        if box is None:
            return
        left, top, right, bottom = box
        matrix[:, 2] -= (left, top)
        patch = cv2.warpAffine(
            self.premultiplied, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR
        )
        frame[top:bottom, left:right] *= 1 - patch[..., 3:]
        frame[top:bottom, left:right] += patch[..., :3]

    def _placement(
        self, centre: tuple[float, float], extent: float, change: Pose, width: int, height: int
    ) -> tuple[NDArray[np.float64], tuple[int, int, int, int] | None]:
        """The affine map of the sprite, and the box of the screen it touches (None: outside)."""
        rows, columns = self.premultiplied.shape[:2]
        scale = extent / max(rows, columns)
        along, across = scale * change.stretch, scale / max(change.stretch, 0.3)
        angle = math.radians(change.angle * (-1 if self.source.flip else 1))
        cos, sin = math.cos(angle), math.sin(angle)
        linear = np.array([[cos * across, -sin * along], [sin * across, cos * along]])
        matrix = np.concatenate([linear, np.zeros((2, 1))], axis=1)
        matrix[:, 2] = np.array(centre) - linear @ np.array([columns / 2, rows / 2])
        corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]]) @ linear.T + matrix[:, 2]
        left, top = (max(int(v), 0) for v in np.floor(corners.min(axis=0)))
        right, bottom = np.minimum(np.ceil(corners.max(axis=0)) + 1, (width, height)).astype(int)
        return matrix, (left, top, int(right), int(bottom)) if right > left and bottom > top else None
