"""What planners are told of a video before they are asked: the embedded networks watch it, one video at a time."""

from pathlib import Path
from threading import Lock

from prismaudio.generation.loading import assets, load_eyes, load_perception
from prismaudio.generation.pictures import FileFilm
from prismaudio.generation.watch import Eyes, measured, watch
from prismaudio.planning.embedded import EmbeddedPlanner
from prismaudio.planning.evidence import Evidence


class Measurer:
    """A video, seconds -> what is measured in it. Threads take turns; the networks are loaded for the first."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._loaded: tuple[Eyes, EmbeddedPlanner] | None = None

    def __call__(self, video: Path, seconds: float) -> Evidence:
        with self._turn:
            eyes, perception = self._networks()
            seen = watch(FileFilm(video), eyes, seconds, lambda _: None)
            return measured(perception, seen, seconds)

    def _networks(self) -> tuple[Eyes, EmbeddedPlanner]:
        if self._loaded is None:
            self._loaded = load_eyes(assets()), load_perception(assets())
        return self._loaded
