"""What an encoder is shown of a frame, and the numbers it is fed.

Shapes: n frames, h height, w width.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from prismaudio.types import Frames

Image = NDArray[np.uint8]  # (h, w, 3) RGB


@dataclass(frozen=True)
class View:
    """How often, how large and in which frame somebody wants to see a video.

    fit: "pad" shows everything and fills up with black, "cover" fills the size and cuts
    what sticks out, "stretch" ignores the proportions, "inside" shows everything in at
    most this size and never enlarges.
    """

    fps: float
    width: int
    height: int
    fit: Literal["pad", "cover", "stretch", "inside"] = "pad"
    filter: Literal["smooth", "bilinear", "bicubic"] = "smooth"

    def __call__(self, image: Image) -> Image:
        match self.fit:
            case "pad":
                return self._resize(_pad(image, self.width, self.height), self.width, self.height)
            case "cover":
                width, height = _cover_size(image, self.width, self.height)
                return _crop(self._resize(image, width, height), self.width, self.height)
            case "stretch":
                return self._resize(image, self.width, self.height)
            case "inside":
                return self.settled(image.shape[1], image.shape[0])(image)

    def settled(self, width: int, height: int) -> "View":
        """The same view of a video of this size, with "inside" turned into the size it means."""
        if self.fit != "inside":
            return self
        scale = min(1, self.width / width, self.height / height)
        inside = max(1, round(width * scale)), max(1, round(height * scale))
        return replace(self, width=inside[0], height=inside[1], fit="stretch")

    def _resize(self, image: Image, width: int, height: int) -> Image:
        """Resizes in bytes, as the published pipelines do; "bilinear" alone looks at only four pixels."""
        if image.shape[:2] == (height, width):
            return image
        resized = F.interpolate(
            rearrange(torch.from_numpy(image), "h w c -> 1 c h w"),
            size=(height, width),
            mode="bicubic" if self.filter == "bicubic" else "bilinear",
            antialias=self.filter != "bilinear",
        )
        return np.ascontiguousarray(rearrange(resized, "1 c h w -> h w c").numpy())


# The views of the published encoders, to the last bit.
VIDEOPRISM = View(fps=4, width=288, height=288, fit="pad", filter="bilinear")
SYNCHFORMER = View(fps=25, width=224, height=224, fit="cover", filter="bicubic")


def videoprism_input(frames: Frames) -> Tensor:
    """Frames seen through VIDEOPRISM -> (n, 288, 288, 3) in 0..1"""
    return torch.from_numpy(frames.images).float() / 255


def synchformer_input(frames: Frames) -> Tensor:
    """Frames seen through SYNCHFORMER -> (n, 3, 224, 224) in -1..1"""
    images = rearrange(torch.from_numpy(frames.images), "n h w c -> n c h w")
    return (images.float() / 255 - 0.5) / 0.5


def _pad(image: Image, width: int, height: int) -> Image:
    """Black bars up to the proportions width:height; an odd pixel goes right or below."""
    h, w = image.shape[:2]
    bars_h = max(0, round(w * height / width) - h)
    bars_w = max(0, round(h * width / height) - w)
    above, left = bars_h // 2, bars_w // 2
    return np.pad(image, ((above, bars_h - above), (left, bars_w - left), (0, 0)))


def _cover_size(image: Image, width: int, height: int) -> tuple[int, int]:
    h, w = image.shape[:2]
    if w * height >= h * width:
        return max(width, int(height * w / h)), height
    return width, max(height, int(width * h / w))


def _crop(image: Image, width: int, height: int) -> Image:
    """The centre, rounded as torchvision rounds."""
    top, left = round((image.shape[0] - height) / 2), round((image.shape[1] - width) / 2)
    return image[top : top + height, left : left + width]
