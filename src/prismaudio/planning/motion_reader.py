"""What sounds, judged by motion alone: a small network that reads strikes and continuous activity over the picture.

Shapes: B batch, K motion frames at 25 fps, M = 36 motion features, A = 8 azimuth bins.
"""

from torch import Tensor, nn

from prismaudio.backends.embedded.motion import COLUMNS, MotionEncoder

FPS = MotionEncoder.fps


class MotionReader(nn.Module):
    """Motion over time -> per azimuth bin, whether something strikes now, and whether something sounds on and on."""

    def __init__(self, width: int = 96, depth: int = 6) -> None:
        super().__init__()
        self.enter = nn.Conv1d(MotionEncoder.dim, width, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, 5, padding=2 * 2 ** (i % 4), dilation=2 ** (i % 4)),
                nn.GroupNorm(1, width),
                nn.GELU(),
                nn.Conv1d(width, width, 1),
            )
            for i in range(depth)
        )
        self.leave = nn.Conv1d(width, 2 * COLUMNS, 1)

    def forward(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """motion: (B, K, M) -> logits of hits and of activity, (B, K, A) each"""
        h = self.enter(motion.mT)
        for layer in self.layers:
            h = h + layer(h)
        hits, active = self.leave(h).mT.chunk(2, dim=-1)
        return hits, active
