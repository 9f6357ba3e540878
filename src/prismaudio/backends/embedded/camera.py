"""How the camera moved between two pictures: a shift, a zoom and a turn that the background agrees on.

A large thing in front must not be taken for the camera. So the borders of the picture count most, what disagrees loses
its weight, and the picture votes block by block: a camera that moved must explain more blocks than one that stood.

Shapes: H x W pixels.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]  # (H, W) grey levels

BLOCKS = (10, 7)  # that vote, across and down
CLEAR_GAIN = 0.1  # of doubt, with which a block votes almost fully
CONVINCED = 0.1  # share of the votes that sets a still camera in motion
STAYS_CONVINCED = 0.05  # share of the votes that keeps it moving
STILL = 0.03  # pixels: a camera that moves less stands
FARTHEST = 0.25  # of the width, between two pictures of one shot
STEPS = 4  # of a fit
TOLERANCE = 5.0  # times the noise: a pixel that differs more belongs to something else
LEAST_NOISE = 0.7  # grey levels
MOST_NOISE = 3.0  # of a sensor: if even the quieter third differs more, the camera moved
PULL = (1.0, 1.0, 4.0, 4.0)  # per pixel, towards a camera that stands: what has no texture tells nothing


class Camera(NamedTuple):
    """Where the background went, in pixels: at the centre; and by zoom and turn, half a width away from it."""

    right: float = 0.0
    down: float = 0.0
    zoom: float = 0.0
    turn: float = 0.0

    @property
    def still(self) -> bool:
        return not any(self)

    @property
    def extent(self) -> float:
        return max(abs(value) for value in self)


class CameraFinder:
    """Finds the camera's motion between pictures of one size."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        across = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / (width / 2)
        down = (np.arange(height, dtype=np.float32) - (height - 1) / 2) / (width / 2)
        self.x, self.y = np.meshgrid(across, down)
        edge = np.maximum(np.abs(self.x) / across.max(), np.abs(self.y) / down.max())
        self.trust = 0.15 + 0.85 * edge**2  # things stand in the middle; at the borders the background shows
        self.votes = cv2.resize(self.trust**2, BLOCKS, interpolation=cv2.INTER_AREA)
        self.votes /= self.votes.sum()
        self.window = cv2.createHanningWindow(self.size, cv2.CV_32F)
        self.ones = np.ones((height, width), dtype=np.float32)

    def find(self, earlier: Picture, later: Picture, flow: NDArray[np.float32], recent: Camera) -> Camera:
        """earlier, later: (H, W), flow: (H, W, 2) from one to the other; `recent`: how the camera moved just before."""
        before, after = cv2.GaussianBlur(earlier, (3, 3), 0), cv2.GaussianBlur(later, (3, 3), 0)
        standing = np.abs(after - before)
        noise = noise_of(standing)
        needed = CONVINCED if recent.still else STAYS_CONVINCED
        if self._vote(_doubt(standing, min(noise, MOST_NOISE))) <= needed:
            return Camera()  # too little is left to explain for anyone to be elected

        moves = self._moves(after)
        cameras = [
            self._fit(before, after, moves, start) for start in self._starts(before, after, flow, recent)
        ]
        cameras = [camera for camera in cameras if STILL < camera.extent < FARTHEST * self.size[0]]
        sights = [self.follow(before, camera) for camera in cameras]
        noise = min([noise, *(noise_of(np.abs(after - steady)) for steady, _ in sights)])
        best, doubt = Camera(), _doubt(standing, noise)
        for camera, (steady, inside) in zip(cameras, sights, strict=True):
            votes = self._vote((doubt - _doubt(after - steady, noise)) * inside)
            if votes > needed:
                best, needed = camera, votes
        return best

    def follow(self, earlier: Picture, camera: Camera) -> tuple[Picture, Picture]:
        """`earlier` as it looks after the camera's motion, and 1 where that was in sight already: (H, W) each."""
        if camera.still:
            return earlier, self.ones
        matrix = self._matrix(camera)
        steady = cv2.warpAffine(earlier, matrix, self.size, borderMode=cv2.BORDER_REPLICATE)
        return steady, cv2.warpAffine(self.ones, matrix, self.size)

    def flow(self, camera: Camera) -> NDArray[np.float32]:
        """-> (H, W, 2) pixels right and down: how the background flows."""
        right, down, zoom, turn = (np.float32(value) for value in camera)
        return np.stack(
            [right + zoom * self.x - turn * self.y, down + zoom * self.y + turn * self.x], axis=-1
        )

    def _matrix(self, camera: Camera) -> NDArray[np.float64]:
        """(2, 3), from a point of the earlier picture to its place in the later one."""
        width, height = self.size
        zoom, turn = camera.zoom / (width / 2), camera.turn / (width / 2)
        linear = np.array([[1 + zoom, -turn], [turn, 1 + zoom]])
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        shift = np.array([camera.right, camera.down]) + centre - linear @ centre
        return np.concatenate([linear, shift[:, None]], axis=1)

    def _vote(self, gain: Picture) -> float:
        """gain: (H, W), doubt that goes away -> at most 1: a block counts by its place, not by its contrast.

        Three of the four sides must agree: a thing seldom touches more than two.
        """
        votes = np.tanh(cv2.resize(gain, BLOCKS, interpolation=cv2.INTER_AREA) / CLEAR_GAIN)
        sides = (votes[1:-1, 0], votes[1:-1, -1], votes[0, 1:-1], votes[-1, 1:-1])
        third = sorted(float(side.mean()) for side in sides)[1]
        return min(float((votes * self.votes).sum()), 2 * third)

    def _starts(
        self, before: Picture, after: Picture, flow: NDArray[np.float32], recent: Camera
    ) -> list[Camera]:
        """Guesses that differ: as just before, as the borders flow, as most of the picture shifts."""
        texture = (
            cv2.Sobel(before, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(before, cv2.CV_32F, 0, 1) ** 2
        ).ravel()
        weights = texture * (self.trust**2).ravel()
        borders = Camera(*(_weighted_median(flow[..., i].ravel(), weights) for i in range(2)))
        (right, down), _ = cv2.phaseCorrelate(before, after, self.window)
        starts: list[Camera] = []
        for guess in (recent, borders, Camera(right, down)):
            near = any(abs(guess.right - s.right) + abs(guess.down - s.down) < 0.7 for s in starts)
            if not near and guess.extent < FARTHEST * self.size[0]:
                starts.append(guess)
        return starts

    def _moves(self, picture: Picture) -> NDArray[np.float32]:
        """(H, W) -> (4, H W): how grey levels fall when the camera shifts, zooms or turns by one pixel."""
        right = cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=1 / 8)
        down = cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=1 / 8)
        zoom, turn = right * self.x + down * self.y, down * self.x - right * self.y
        return np.stack([right, down, zoom, turn]).reshape(4, -1)

    def _fit(self, before: Picture, after: Picture, moves: NDArray[np.float32], start: Camera) -> Camera:
        """The motion that explains `after` best where it can be explained: reweighted least squares."""
        camera = np.array(start, dtype=np.float64)
        pull = before.size * np.diag(PULL)
        for step in range(STEPS):
            steady, inside = self.follow(before, Camera(*camera))
            residual = after - steady
            noise = min(noise_of(np.abs(residual)), MOST_NOISE)
            sure = 1 - _doubt(residual, noise * (3 if step == 0 else 1))
            weighted = moves * (self.trust * inside * sure**2).ravel()
            change = np.linalg.solve(
                weighted @ moves.T + pull, -(weighted @ residual.ravel()) - pull @ camera
            )
            camera += change
            if np.abs(change).max() < STILL / 3:
                break
        return Camera(*(float(value) for value in camera))


def noise_of(difference: Picture) -> float:
    """difference: (H, W), of two pictures, no sign -> its noise, from the quieter third: the rest may have moved."""
    third = difference.size // 3
    return float(np.partition(difference.ravel(), third)[third]) / 0.43  # a third of a Gaussian lies below


def _doubt(residual: Picture, noise: float) -> Picture:
    """0 where a pixel is explained, towards 1 where it is not."""
    squared = (residual / (TOLERANCE * max(noise, LEAST_NOISE))) ** 2
    return squared / (1 + squared)


def _weighted_median(values: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])
