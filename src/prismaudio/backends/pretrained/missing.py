"""An optional package that is absent is told in one line that names the extra to install."""

from collections.abc import Iterator
from contextlib import contextmanager

from prismaudio.errors import PrismAudioError

EXTRA = "published"


class MissingExtra(PrismAudioError):
    """Packages that only pretrained models need are absent or too old."""

    def __init__(self, what: str, problem: ImportError, extra: str = EXTRA) -> None:
        reason = str(problem).strip().partition("\n")[0]
        super().__init__(f'{what} needs optional packages ({reason}); pip install "prismaudio[{extra}]"')


@contextmanager
def extra_for(what: str, extra: str = EXTRA) -> Iterator[None]:
    """Around the lazy imports of `what`: `with extra_for("VideoPrism"): from transformers import ...`"""
    try:
        yield
    except ImportError as error:
        raise MissingExtra(what, error, extra) from error
