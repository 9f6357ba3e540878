"""Synchronised stereo sound for silent video, thought through in four dimensions.

    from prismaudio import VideoToAudio
    VideoToAudio.from_pretrained("embedded")("clip.mp4").save("clip.sound.mp4")

The names below are the public ones; each is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prismaudio.dimensions.plan import DIMENSIONS as DIMENSIONS
    from prismaudio.dimensions.plan import Plan as Plan
    from prismaudio.errors import PrismAudioError as PrismAudioError
    from prismaudio.generation.pipeline import Generation as Generation
    from prismaudio.generation.pipeline import VideoToAudio as VideoToAudio
    from prismaudio.media.audio import read_audio as read_audio
    from prismaudio.media.audio import write_audio as write_audio
    from prismaudio.media.mux import mux as mux
    from prismaudio.types import Audio as Audio
    from prismaudio.types import Frames as Frames

HOMES = {
    "VideoToAudio": "generation.pipeline",
    "Generation": "generation.pipeline",
    "Plan": "dimensions.plan",
    "DIMENSIONS": "dimensions.plan",
    "Audio": "types",
    "Frames": "types",
    "PrismAudioError": "errors",
    "read_audio": "media.audio",
    "write_audio": "media.audio",
    "mux": "media.mux",
}
__all__ = [*HOMES, "__version__"]  # noqa: PLE0604  # strings, all of them


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("prismaudio")
    if name not in HOMES:
        raise AttributeError(f"module 'prismaudio' has no attribute {name!r}")
    return getattr(import_module(f"prismaudio.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
