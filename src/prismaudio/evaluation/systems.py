"""The model as an entrant of the benchmark: told the true plan, or left with the picture alone."""

from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.benchmark import System
from prismaudio.generation.options import Options
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.generation.stages import Stages
from prismaudio.generation.watch import watch_frames
from prismaudio.stage.scene import Scene
from prismaudio.types import Audio, Frames


class NoPictures(PrismAudioError):
    """A benchmark without pictures was asked to judge a system that watches them."""


def from_picture(model: VideoToAudio, options: Options) -> System:
    """The whole product: perception, planner, generator. The seed is the scene's number."""

    def system(scene: Scene, frames: Frames | None, plan: Plan, index: int) -> Audio:
        return _sounded(model, frames, None, options.model_copy(update={"seed": index}))

    return system


def from_true_plan(model: VideoToAudio, options: Options) -> System:
    """The generator with a perfect planner: what it makes of what really happened."""

    def system(scene: Scene, frames: Frames | None, plan: Plan, index: int) -> Audio:
        return _sounded(model, frames, plan, options.model_copy(update={"seed": index}))

    return system


def _sounded(model: VideoToAudio, frames: Frames | None, plan: Plan | None, options: Options) -> Audio:
    if frames is None:
        raise NoPictures("the benchmark draws no pictures; run it with pictures for this system")
    seen, stages = watch_frames(frames, model.model), Stages(None)
    plan = plan or model.think(seen, frames.duration, stages)
    return model.sound(seen, plan, frames.duration, options, stages)[0]
