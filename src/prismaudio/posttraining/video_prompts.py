"""Prompts for post-training from videos of one's own: the first seconds of each, with a plan that was written or is now.

Shapes: N samples.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, PositiveInt
from torch import Tensor
from tqdm import tqdm

from prismaudio.config import Config
from prismaudio.dimensions import semantic
from prismaudio.dimensions.arms import Arm
from prismaudio.dimensions.lint import OTHER_LENGTH
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.provenance import UnreadableFile, sha256_of
from prismaudio.dimensions.window import window
from prismaudio.errors import PrismAudioError, UnreadableAudio
from prismaudio.generation.judging import views_of
from prismaudio.generation.model import Model, Wording
from prismaudio.generation.options import Options
from prismaudio.generation.pictures import FileFilm
from prismaudio.generation.thinking import Job, Thinker
from prismaudio.media.audio import fit_length, read_audio
from prismaudio.media.files import replacing
from prismaudio.media.preprocess import View
from prismaudio.media.video import VideoInfo, probe
from prismaudio.planning.annotating import videos_in
from prismaudio.planning.annotation import Annotation, latest
from prismaudio.planning.base import Planner, PlanRequest, frames_of
from prismaudio.planning.choose import choose_planner
from prismaudio.planning.wire import contradictions
from prismaudio.planning.written import FilePlanner, found_beside
from prismaudio.posttraining.dit_policy import Told
from prismaudio.posttraining.prompts import OtherPrompts, Prompt, check_settings, is_kept, keep, recall
from prismaudio.stage.corpus import SAMPLE_RATE
from prismaudio.stages import Stages

PLANNER = "embedded"  # who thinks about a video that nobody wrote a plan of; as `prismaudio generate`
KEPT = "videos.json"  # in a folder of prompts: which videos they are, and which of them are none
ANNOTATIONS = ".jsonl"
DIGITS = 32  # of hashes, in names of files
ADVICE = "give more videos, or lower training.prompts"

Say = Callable[[str], None]


class TooFewVideos(PrismAudioError):
    """Fewer videos than an iteration needs."""


class NoPrompt(PrismAudioError):
    """A video that cannot be one."""


class VideosConfig(Config):
    """Which videos are prompts."""

    path: Annotated[Path, AfterValidator(Path.absolute)] = Field(
        description="a folder of videos, or a .jsonl that `prismaudio annotate` wrote"
    )
    count: PositiveInt | None = Field(None, description="only the first so many, in order; None: all")


class OwnClip(NamedTuple):
    """A video, and where its plan is: in annotations, in a file, or still to be thought up."""

    name: str  # below the folder
    video: Path
    written: Annotation | Path | None


class Outcome(NamedTuple):
    """What became of a video."""

    key: str  # of its bytes and its plan; "" if they cannot be read
    left_out: str  # why it is no prompt; "" if it is one


def clips_of(config: VideosConfig, least: int) -> list[OwnClip]:
    """Those that `config` names, in order; `TooFewVideos` if they are fewer than `least`."""
    path = config.path
    if path.suffix == ANNOTATIONS:
        clips = [OwnClip(row.video, row.video_of(path), row) for row in latest(path)]
    else:
        folder = path if path.is_dir() else path.parent
        clips = [
            OwnClip(str(video.relative_to(folder)), video, found_beside(video)) for video in videos_in([path])
        ]
    clips = clips[: config.count]
    if len(clips) < least:
        raise TooFewVideos(f"videos in {path}: {len(clips)}; an iteration takes {least} prompts; {ADVICE}")
    return clips


def prepare_video_prompts(  # noqa: PLR0913  # whose prompts, for whom
    folder: Path,
    config: VideosConfig,
    seconds: float,
    arm: Arm,
    model: Model,
    views: Sequence[View],
    least: int,
    say: Say,
) -> list[Prompt]:
    """The first `seconds` of every video; what `folder` lacks is prepared first, an interrupted preparation goes on.

    `say` is told of every video that is left out; `TooFewVideos` if fewer than `least` remain. Once there are enough,
    the folder is of these videos, and others are refused (`OtherPrompts`). views: in which judges want to see the films.
    """
    check_settings(folder, f"videos of {seconds} s", model, views)
    clips = clips_of(config, least)
    maker = _Maker(model, choose_planner(PLANNER), views, seconds, _beside_bars(say))
    reading = tqdm(clips, "reading videos", delay=1.0, disable=None)
    keys = [_key(clip, maker.planner.name) for clip in reading]
    known = _known(folder, keys)
    missing = [key for key, why in zip(keys, known, strict=True) if not why and not is_kept(folder, key)]
    bar = tqdm(zip(clips, keys, known, strict=True), "prompts", len(keys), disable=None if missing else True)
    outcomes = [Outcome(key, why or maker.kept(folder, clip, key)) for clip, key, why in bar]
    numbers = [number for number, outcome in enumerate(outcomes) if not outcome.left_out]
    if len(numbers) < least:
        raise TooFewVideos(
            f"only {len(numbers)} of {len(clips)} videos in {config.path} can be prompts, and an iteration takes "
            f"{least}; {ADVICE}"
        )
    with replacing(folder / KEPT) as temporary:
        temporary.write_text(json.dumps([outcome._asdict() for outcome in outcomes], indent=1), "utf-8")
    return [recall(Prompt, folder, keys[n], views, Wording(arm=arm, seed=n)) for n in numbers]


def _beside_bars(say: Say) -> Say:
    """Lines of their own, while there are progress bars."""

    def aside(text: str) -> None:
        with tqdm.external_write_mode():
            say(text)

    return aside


def _known(folder: Path, keys: Sequence[str]) -> list[str]:
    """Why each was left out before, "" if it was not; raise if the folder was prepared for other videos."""
    if not (folder / KEPT).exists():
        return [""] * len(keys)
    outcomes = [Outcome(**values) for values in json.loads((folder / KEPT).read_text("utf-8"))]
    if [outcome.key for outcome in outcomes] != list(keys):
        raise OtherPrompts(
            f"{folder} holds prompts of other videos or plans; delete it or choose another folder"
        )
    return [outcome.left_out for outcome in outcomes]


def _key(clip: OwnClip, planner: str) -> str:
    """Of the bytes of the video, and of its plan or of who will write it."""
    try:
        match clip.written:
            case Annotation():
                plan = clip.written.model_dump_json(include={"plan", "sha256"})
            case Path():
                plan = clip.written.suffix + sha256_of(clip.written)
            case None:
                plan = planner
        return hashlib.sha256(f"{sha256_of(clip.video)}\n{plan}".encode()).hexdigest()[:DIGITS]
    except UnreadableFile:
        return ""


class _Maker:
    """Makes prompts of videos, as `prismaudio generate` would look at them and think."""

    def __init__(
        self, model: Model, planner: Planner, views: Sequence[View], seconds: float, say: Say
    ) -> None:
        self.model, self.planner, self.views, self.seconds, self.say = model, planner, views, seconds, say

    def kept(self, folder: Path, clip: OwnClip, key: str) -> str:
        """See to it that the prompt is kept in `folder`; -> why that cannot be, which is also said; "" if it is."""
        if is_kept(folder, key):
            return ""
        try:
            keep(folder, key, self._prompt(clip))
        except PrismAudioError as error:
            self.say(f"left out {clip.name}: {error}")
            return str(error)
        return ""

    def _prompt(self, clip: OwnClip) -> Prompt:
        info = probe(clip.video)
        if info.duration < self.seconds - 1e-6:
            raise NoPrompt(
                f"it lasts {info.duration:.2f} s, and prompts {self.seconds:g} s (prompts.seconds)"
            )
        plan = self._plan(clip, info.duration)
        think = Thinker(self.model, self.planner, Options(duration=self.seconds), Stages(None))
        watched = think(Job(clip.video, plan=plan))
        if not semantic.names_something(semantic.without_avoid(watched.plan.semantic)):
            self.say(
                f"note: the plan of {clip.name} names no sound in its first {self.seconds:g} s, so that the semantic "
                "judge will say nothing of it; write one"
            )
        return Prompt(
            told=Told(watched.plan, watched.seen),
            views=views_of(FileFilm(clip.video), self.views, self.seconds),
            samples=self._sound(clip, info),
        )

    def _plan(self, clip: OwnClip, duration: float) -> Plan | None:
        """What was written about the first seconds; None if nothing was.

        A plan that contradicts itself is none: what cannot be played cannot be learned.
        """
        match clip.written:
            case Annotation():
                plan = annotated(clip.written, clip.video)
            case Path():
                frames = frames_of(clip.video, duration)
                plan = FilePlanner(clip.written).plan(PlanRequest(duration, frames))
                if note := plan.mismatch(clip.video):
                    self.say(f"note: {note}")
            case None:
                return None
        if wrong := contradictions(plan):
            raise NoPrompt(f"its plan contradicts itself: {wrong[0]}")
        if plan.duration < self.seconds - OTHER_LENGTH:
            raise NoPrompt(f"its plan is for {plan.duration:.2f} s, and prompts last {self.seconds:g} s")
        return window(plan, 0.0, self.seconds)

    def _sound(self, clip: OwnClip, info: VideoInfo) -> Tensor | None:
        """(2, N) half precision; None for a silent film. What is damaged is said, and no reference either."""
        if not info.has_audio:
            return None
        try:
            return fit_length(read_audio(clip.video, SAMPLE_RATE), self.seconds).samples.half()
        except UnreadableAudio as error:
            self.say(f"{clip.name} is a prompt without a sound of its own: {error}")
            return None


def annotated(row: Annotation, video: Path) -> Plan:
    """The plan of a line of annotations, if it is one about `video` as it is now."""
    if row.plan is None:
        raise NoPrompt(f"it has no plan: {row.error or 'nobody wrote one'}")
    if row.sha256 is not None and row.sha256 != sha256_of(video):
        raise NoPrompt("it is not the file that was annotated; annotate it again")
    return row.plan
