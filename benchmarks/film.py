"""A video to measure with: a texture that moves, of any size and length, the same every time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from prismaudio.stage.film import Image, encode
from prismaudio.stage.render import FPS

COARSE, FINE = 32, 4  # pixels
SPEED = 5  # pixels a picture


def moving_picture(path: Path, seconds: float, size: tuple[int, int]) -> Path:
    """Write H.264 at 25 pictures a second without sound; size: (width, height)."""
    encode(path, pictures(round(seconds * FPS), *size), size)
    return path


def pictures(count: int, width: int, height: int) -> Iterator[Image]:
    """A strip twice as wide as the picture goes by."""
    strip = texture(2 * width, height)
    for number in range(count):
        yield np.ascontiguousarray(np.roll(strip, -SPEED * number, axis=1)[:, :width])


def texture(width: int, height: int) -> Image:
    """Large and small squares of random colours: (height, width, 3)"""
    generator = np.random.default_rng(0)
    image = np.zeros((height, width, 3), np.uint8)
    for pixels in (COARSE, FINE):
        rows, columns = -(-height // pixels), -(-width // pixels)
        squares = generator.integers(0, 128, (rows, columns, 3), np.uint8)
        image += squares.repeat(pixels, 0).repeat(pixels, 1)[:height, :width]
    return image
