"""The model as an entrant of the benchmark: told the true plan, or left with the picture alone."""

from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.benchmark import System
from prismaudio.generation.options import Options
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.stage.scene import Scene
from prismaudio.types import Audio, Frames


class NoPictures(PrismAudioError):
    """A benchmark without pictures was asked to judge a system that watches them."""


def from_picture(model: VideoToAudio, options: Options) -> System:
    """The whole product: perception, planner, generator. The seed is the scene's number."""

    def system(scene: Scene, frames: Frames | None, plan: Plan, index: int) -> Audio:
        return model(pictures(frames), seed=index, **options.model_dump()).audio

    return system


def from_true_plan(model: VideoToAudio, options: Options) -> System:
    """The generator with a perfect planner: what it makes of what really happened."""

    def system(scene: Scene, frames: Frames | None, plan: Plan, index: int) -> Audio:
        return model(pictures(frames), plan=plan, seed=index, **options.model_dump()).audio

    return system


def pictures(frames: Frames | None) -> Frames:
    if frames is None:
        raise NoPictures("the benchmark draws no pictures; run it with pictures for this system")
    return frames
