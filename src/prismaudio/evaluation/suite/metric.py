"""What a metric is: a name, what it needs, and figures from the features of many clips.

To add one, write a class with these members and list it in `catalogue`. What is slow belongs into an extractor, whose
tensors are cached by the content of the file; `measure` only turns tensors into values.

Shapes: N clips.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from prismaudio.backends.extractor import Extractor, Tensors

Role = Literal["sound", "reference", "video", "text", "film"]  # film: the sound and the video together
Better = Literal["higher", "lower", ""]
Chosen = NDArray[np.intp]


class Gathered(NamedTuple):
    """One clip with all that was extracted of its files."""

    name: str
    text: str | None
    features: Mapping[tuple[Role, str], Tensors]  # (role, name of the extractor) -> tensors
    unjudged: Mapping[tuple[Role, str], str] = {}  # of which an extractor can say nothing, and why


class ClipValues(NamedTuple):
    """One value per clip, whose mean is the figure."""

    values: NDArray[np.float64]  # (N,), nan for what cannot be scored: never 0
    reasons: tuple[str, ...] = ()  # (N,) why it cannot, empty where it can
    note: str = ""


class SetValue(NamedTuple):
    """A figure that only many clips have together."""

    statistic: Callable[[Chosen], float]  # of the clips with these numbers; a number may come twice
    note: str = ""


class Extracting(Protocol):
    """Wants something of the files of clips."""

    @property
    def extracts(self) -> Mapping[Role, Extractor]:
        """What is to be extracted of what; a role makes that file, or text, a need."""
        ...


class Metric(Extracting, Protocol):
    """Judges many clips along one line."""

    @property
    def name(self) -> str:
        """The column; "proxy_..." if no learned judge is behind it."""
        ...

    @property
    def unit(self) -> str: ...

    @property
    def better(self) -> Better: ...

    def measure(self, clips: Sequence[Gathered]) -> ClipValues | SetValue:
        """Raises a `PrismAudioError` that says why if nothing can be measured: the figure is then n/a."""
        ...


class Unavailable(NamedTuple):
    """A metric that was asked for and cannot be had."""

    name: str
    reason: str
