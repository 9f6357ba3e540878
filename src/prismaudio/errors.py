"""Every error raised on purpose: what is wrong, what was got, what to do; in one line."""

from collections.abc import Sequence
from pathlib import Path


class PrismAudioError(Exception):
    """A problem the user can act on."""


class UnknownChoice(PrismAudioError):
    """A name that is not on the list of known names."""

    def __init__(self, what: str, got: str, known: Sequence[str]) -> None:
        super().__init__(f"unknown {what} {got!r}; choose one of: {', '.join(known)}")


class UnreadableMedia(PrismAudioError):
    """A file that is missing, empty, damaged, or not what its name promises."""

    def __init__(self, path: Path, problem: str, advice: str) -> None:
        super().__init__(f"cannot read {path}: {problem}; {advice}")


class UnreadableVideo(UnreadableMedia):
    """A file from which no picture can be decoded."""


class NoVideoStream(UnreadableVideo):
    """A readable file without moving pictures."""


class UnreadableAudio(UnreadableMedia):
    """A file from which no sound can be decoded."""


class CannotWrite(PrismAudioError):
    """A file that could not be written; nothing was left behind."""

    def __init__(self, path: Path, problem: str, advice: str) -> None:
        super().__init__(f"cannot write {path}: {problem}; {advice}")
