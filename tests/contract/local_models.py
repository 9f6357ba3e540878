"""What tests of models on this machine share."""

from collections.abc import Callable

import numpy as np
import pytest

from prismaudio import PrismAudioError
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.types import Frames

PICTURES = Frames(np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), np.uint8), 2.0)


def complaint(load: Callable[[], object], kind: type[PrismAudioError] = CheckpointError) -> str:
    """What is said, on one line, when this is tried."""
    with pytest.raises(kind) as error:
        load()
    assert "\n" not in str(error.value)
    return str(error.value)
