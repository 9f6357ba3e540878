"""When and where things move: optical flow and change in columns of the picture, once the camera is compensated.

Signal processing, no weights. Shapes: K frames, H x W pixels, C columns, F features of a column.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prismaudio.backends.embedded.camera import Camera, CameraFinder, Picture, noise_of
from prismaudio.types import Frames

COLUMNS = 8
COLUMN_FEATURES = ("change", "right", "down", "speed")
FRAME_FEATURES = ("camera right", "camera down", "cut", "change")
FEATURES_PER_COLUMN = len(COLUMN_FEATURES)
ANALYSIS_SIZE = (80, 56)
NOISE_LEVELS = 2.0  # change below this many times the noise is noise
LEAST_CHANGE = 3.0  # grey levels
MOVING = 0.02  # change, as a share of 64 grey levels, from which a pixel moves
CUT_CORRELATION = 0.55  # frames less alike than this belong to different shots (spec/planner.md 4) ...
CUT_CHANGE = 12  # grey levels
CUT_SHARE = 0.45  # ... if that share of the picture changed so much: a large thing that jumps is no cut


class MotionEncoder:
    """A `SyncEncoder` of 8 columns' features, then the camera's shift x and y, cut, and total change, at 25 fps.

    Of a column: how much it changes, how it flows to the right and down, and how fast.
    """

    name = "embedded-motion"
    fps = 25.0
    frame_size = (160, 112)
    dim = COLUMNS * FEATURES_PER_COLUMN + len(FRAME_FEATURES)

    def encode(self, frames: Frames) -> Tensor:
        """-> (K, `dim`), each about 0 to 1 or -1 to 1; the first frame has no motion."""
        grey = [_grey(image) for image in frames.images]
        rows = np.zeros((len(grey), self.dim), dtype=np.float32)
        watcher = _Watcher()
        for k in range(1, len(grey)):
            rows[k] = watcher.compare(grey[k - 1], grey[k])
        return torch.from_numpy(rows)


def mirror(motion: Tensor) -> Tensor:
    """motion: (K, `dim`) as seen in a mirror: columns in reverse order, to the right becomes to the left."""
    columns = motion[:, : COLUMNS * FEATURES_PER_COLUMN].reshape(len(motion), COLUMNS, -1).flip(1).clone()
    columns[..., COLUMN_FEATURES.index("right")] *= -1
    rest = motion[:, COLUMNS * FEATURES_PER_COLUMN :].clone()
    rest[:, FRAME_FEATURES.index("camera right")] *= -1
    return torch.cat([columns.flatten(1), rest], dim=1)


class _Watcher:
    """Compares frame after frame of one clip; remembers only how the camera moved last."""

    def __init__(self) -> None:
        self.flow_engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self.finder = CameraFinder(*ANALYSIS_SIZE)
        self.camera = Camera()

    def compare(self, earlier: NDArray[np.uint8], later: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One row of features for two neighbouring frames."""
        before, after = earlier.astype(np.float32), later.astype(np.float32)
        flow = self.flow_engine.calc(earlier, later, None)
        self.camera = self.finder.find(before, after, flow, self.camera)
        steady, inside = self.finder.follow(before, self.camera)
        if is_cut(steady, after):
            self.camera = Camera()
            cut = np.zeros(MotionEncoder.dim, dtype=np.float32)
            cut[FRAME_FEATURES.index("cut") - len(FRAME_FEATURES)] = 1.0
            return cut

        change = np.abs(after - steady) * (inside > 0.999)  # what came into sight is no change
        change = np.maximum(change - max(NOISE_LEVELS * noise_of(change), LEAST_CHANGE), 0) / 64
        columns = _columns_of(change, flow - self.finder.flow(self.camera))
        rest = [self.camera.right / 4, self.camera.down / 4, 0, change.mean() * 8]
        return np.concatenate([columns.ravel(), np.array(rest, dtype=np.float32)])


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), ANALYSIS_SIZE, interpolation=cv2.INTER_AREA)


def _columns_of(change: Picture, flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """change: (H, W), flow: (H, W, 2) -> (C, F); only what changes flows."""
    moving = change > MOVING
    right, down = flow[..., 0] * moving, flow[..., 1] * moving
    features = (change * 8, right * 2, down * 2, np.hypot(right, down) * 2)
    return np.arcsinh(np.stack([_columns(x) for x in features], axis=1))


def _columns(values: Picture) -> NDArray[np.float32]:
    """(H, W) -> (C,) means."""
    return values.reshape(values.shape[0], COLUMNS, -1).mean(axis=(0, 2))


def is_cut(earlier: NDArray[np.generic], later: NDArray[np.generic]) -> bool:
    """Whether two grey frames are so unlike, in most of the picture, that a new shot began."""
    before, after = earlier.astype(np.float32), later.astype(np.float32)
    a, b = before - before.mean(), after - after.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    unlike = scale < 1e-3 or float((a * b).sum()) / scale < CUT_CORRELATION
    return unlike and float((np.abs(after - before) > CUT_CHANGE).mean()) > CUT_SHARE
