"""When and where things move: optical flow and camera-compensated change in columns of the picture.

Signal processing, no weights. Shapes: K frames, H x W pixels, C columns.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prismaudio.types import Frames

COLUMNS = 8
FEATURES_PER_COLUMN = 4  # change, flow to the right, flow down, speed
ANALYSIS_SIZE = (80, 56)
NOISE_LEVELS = 3.0  # change below this many times the median is sensor noise
CUT_CORRELATION = (
    0.55  # neighbouring frames less alike than this belong to different shots (spec/planner.md 4)
)
DEAD_ZONE = 0.12  # pixels of camera shift that are measurement error


class MotionEncoder:
    """A `SyncEncoder` of 8 x 4 column features, camera shift x and y, cut, and total change, at 25 fps."""

    name = "embedded-motion"
    fps = 25.0
    frame_size = (160, 112)
    dim = COLUMNS * FEATURES_PER_COLUMN + 4

    def encode(self, frames: Frames) -> Tensor:
        """-> (K, 36), each about 0 to 1 or -1 to 1; the first frame has no motion."""
        grey = [_grey(image) for image in frames.images]
        rows = np.zeros((len(grey), self.dim), dtype=np.float32)
        flow_engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        window = cv2.createHanningWindow(ANALYSIS_SIZE, cv2.CV_32F)
        for k in range(1, len(grey)):
            rows[k] = _compare(grey[k - 1], grey[k], flow_engine, window)
        return torch.from_numpy(rows)


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), ANALYSIS_SIZE, interpolation=cv2.INTER_AREA)


def _compare(
    earlier: NDArray[np.uint8],
    later: NDArray[np.uint8],
    flow_engine: cv2.DISOpticalFlow,
    window: NDArray[np.float32],
) -> NDArray[np.float32]:
    """One row of features for two neighbouring frames."""
    if is_cut(earlier, later):
        cut = np.zeros(MotionEncoder.dim, dtype=np.float32)
        cut[-2] = 1.0
        return cut
    before, after = earlier.astype(np.float32), later.astype(np.float32)
    (dx, dy), _ = cv2.phaseCorrelate(before, after, window)
    dx, dy = (value if DEAD_ZONE < abs(value) < 8 else 0.0 for value in (dx, dy))
    steady = cv2.warpAffine(
        before,
        np.array([[1, 0, dx], [0, 1, dy]], dtype=np.float32),
        ANALYSIS_SIZE,
        borderMode=cv2.BORDER_REPLICATE,
    )
    change = np.abs(after - steady)
    change = np.maximum(change - NOISE_LEVELS * max(float(np.median(change)), 1.0), 0) / 64
    flow = flow_engine.calc(earlier, later, None) - np.array([dx, dy], dtype=np.float32)
    moving = change > 0.02
    flow = np.where(moving[..., None], flow, 0)
    speed = np.hypot(flow[..., 0], flow[..., 1])
    columns = [_columns(x) for x in (change * 8, flow[..., 0] * 2, flow[..., 1] * 2, speed * 2)]
    rest = np.array([dx / 4, dy / 4, 0, change.mean() * 8], dtype=np.float32)
    return np.concatenate([np.arcsinh(np.stack(columns, axis=1).ravel()), rest])


def _columns(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) -> (C,) means."""
    return values.reshape(values.shape[0], COLUMNS, -1).mean(axis=(0, 2))


def is_cut(earlier: NDArray[np.uint8], later: NDArray[np.uint8]) -> bool:
    """Whether two grey frames are so unlike that a new shot began."""
    a, b = (x.astype(np.float32) - x.mean() for x in (earlier, later))
    change = np.abs(later.astype(np.float32) - earlier).mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return change > 12 and (scale < 1e-3 or float((a * b).sum()) / scale < CUT_CORRELATION)
