"""One bar on stderr that shows the stage a job is in; nothing where stderr is no terminal."""

from types import TracebackType
from typing import Self

from tqdm import tqdm


class ProgressBar:
    """A `Progress` for the length of a with-block."""

    def __enter__(self) -> Self:
        self._stage = ""
        self._bar = tqdm(
            total=1.0,
            bar_format="{desc:<9} {percentage:3.0f}% |{bar:30}| {elapsed}",
            leave=False,
            disable=None,
        )
        return self

    def __call__(self, stage: str, share: float) -> None:
        if stage != self._stage:
            self._stage = stage
            self._bar.reset()
            self._bar.set_description_str(stage, refresh=False)
        self._bar.n = min(share, 1.0)
        self._bar.refresh()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
