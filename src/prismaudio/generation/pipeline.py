"""The whole system behind one call: watch a video, plan its sound in four dimensions, generate it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from prismaudio.dimensions.arms import Arm
from prismaudio.dimensions.lint import lint
from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.generation.engine import Engine, decode
from prismaudio.generation.loading import Loading, load
from prismaudio.generation.mastering import Take
from prismaudio.generation.model import Model, Wording
from prismaudio.generation.options import Options
from prismaudio.generation.sampling import LatentSampler, Request
from prismaudio.generation.thinking import Job, Thinker, Watched, ready
from prismaudio.media.audio import write_audio
from prismaudio.media.mux import mux
from prismaudio.planning.base import ENGLISH, Planner
from prismaudio.planning.choose import choose_planner
from prismaudio.planning.perception import PerceptionPlanner
from prismaudio.stages import Progress, Stages
from prismaudio.types import Audio, Frames

SOUND_FILES = (".wav", ".flac")
UNSURE = 0.25  # probability below which a name is a guess
DIFFERENT = 0.1  # seconds by which a plan may miss the length of its picture without a note


class NoVideoFile(PrismAudioError):
    """A video was to be written for pictures that came from memory."""


@dataclass(frozen=True, eq=False)
class Generation:
    """A sound for a video, and how it came about."""

    video: Path | Frames
    audio: Audio  # exactly as long as the picture, or as the duration asked for
    plan: Plan
    seed: int
    loudness: float  # LUFS as measured
    timings: dict[str, float]  # seconds per stage: watch, plan, generate, decode, master; of the whole batch
    backends: dict[str, str]  # what for -> the model that did it
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> Path:
        """The video file."""
        if isinstance(self.video, Frames):
            raise NoVideoFile("there is no video file: the pictures came from memory; save a .wav or .flac")
        return self.video

    def save(self, path: Path | str) -> None:
        """Write the sound (.wav, .flac), or the video with its sound replaced (.mp4, .mov, .mkv, .webm, .avi)."""
        if Path(path).suffix.lower() in SOUND_FILES:
            write_audio(path, self.audio)
        else:
            mux(self.source, self.audio, path)


class VideoToAudio:
    """Sound for silent video: `VideoToAudio.from_pretrained("embedded")("clip.mp4").save("clip.sound.mp4")`."""

    def __init__(self, model: Model, engine: Engine, planner: Planner | None = None) -> None:
        self.model = model
        self.engine = engine
        self.planner = planner or PerceptionPlanner()
        model.arrange(engine)
        self.codec = model.codec
        self.sampler = LatentSampler(model, engine)

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str = "embedded",
        *,
        planner: Planner | str = "embedded",
        progress: Progress | None = None,
        **choices: Any,
    ) -> Self:
        """name: "embedded" for the weights in this package; a folder that training, `prismaudio download` or
        `prismaudio convert` wrote; or a model on the hub, "FunAudioLLM/PrismAudio".

        planner: who writes the thoughts, a name as of `planning.choose.choose_planner`, or one that was made there.
        choices: the fields of `loading.Loading` - device, dtype, engine, reproduce_release and more.
        """
        loading = Loading.parse(choices, source="from_pretrained")
        thinker = choose_planner(planner) if isinstance(planner, str) else planner
        model, engine = load(str(name), loading, progress)
        return cls(model, engine, thinker)

    def plan(
        self,
        video: Path | str | Frames,
        *,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        hint: str | None = None,
        language: str = ENGLISH,
        duration: float | None = None,
        progress: Progress | None = None,
    ) -> Plan:
        """The four thoughts about `video`, to be read, edited and given back to a call."""
        options = Options.parse({"duration": duration, "language": language}, source="options")
        job = Job(video, prompt, negative_prompt, hint=hint)
        return Thinker(self.model, self.planner, options, Stages(progress))(job).plan

    def __call__(  # noqa: PLR0913  # the whole system behind one call
        self,
        video: Path | str | Frames,
        *,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        plan: Plan | Path | str | None = None,
        caption: str | None = None,
        hint: str | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        **choices: Any,
    ) -> Generation:
        """A sound exactly as long as the picture of `video`, or as its first `duration` seconds.

        prompt, negative_prompt: phrases separated by commas, see `prompting.py`. plan: what to play, instead of
        what the planner sees. caption: words for the text encoder, as they are, instead of the plan's. hint: what you
        know of the clip, for its planner. choices: the fields of `options.Options`. Equal calls give equal sounds.
        """
        job = Job(video, prompt, negative_prompt, plan, caption, seed, hint)
        return self.batch([job], progress=progress, **choices)[0]

    def batch(
        self, jobs: Sequence[Job], *, progress: Progress | None = None, **choices: Any
    ) -> list[Generation]:
        """Many sounds, made together: faster than one after the other, and the same but for rounding.

        Jobs of one video, takes that differ in their seed, watch it once.
        """
        options, stages = Options.parse(choices, source="options"), Stages(progress)
        jobs = ready(jobs)
        think = Thinker(self.model, self.planner, options, stages)
        watched = [think(job) for job in jobs]
        takes = self._sound(watched, jobs, options, stages)
        with stages.stage("master"):
            mastered = self.model.master(takes, options)
        return [
            Generation(
                video=job.video if isinstance(job.video, Frames) else Path(job.video),
                audio=sound.audio,
                plan=what.plan,
                seed=job.seed,
                loudness=sound.loudness,
                timings=stages.timings,
                backends=self.backends() | {"planner": what.plan.provenance.planner},
                notes=notes(what.plan, what.seconds, job),
            )
            for job, what, sound in zip(jobs, watched, mastered, strict=True)
        ]

    def backends(self) -> dict[str, str]:
        """What for -> the model that does it."""
        return self.model.backends() | {"planner": self.planner.name}

    def _sound(
        self, watched: Sequence[Watched], jobs: Sequence[Job], options: Options, stages: Stages
    ) -> list[Take]:
        """What the codec plays for every job."""
        requests = [
            Request(what.plan, what.seen, what.seconds, job.seed, wording(job, options))
            for what, job in zip(watched, jobs, strict=True)
        ]
        with stages.stage("generate") as report, self.engine.numbers():
            latents = self.sampler(requests, options, report)
        takes = []
        for sound, what in zip(latents, watched, strict=True):
            with stages.stage("decode") as report, self.engine.numbers(), self.model.at_work("decoder"):
                decoded = decode(self.codec, sound, self.model.piece, report)
            takes.append(Take(Audio(decoded, self.codec.sample_rate), what.plan, what.seconds))
        return takes


def wording(job: Job, options: Options) -> Wording:
    """Takes of one clip are worded alike, unless chance words them."""
    arm = job.arm or options.arm
    return Wording(job.caption, arm, job.seed if arm is Arm.RANDOM else 0)


def notes(plan: Plan, seconds: float, job: Job) -> tuple[str, ...]:
    """What a user may want to know; of a plan of their own, also what contradicts itself in it."""
    found = []
    if abs(plan.duration - seconds) > DIFFERENT:
        found.append(f"the plan is for {plan.duration:.2f} s and the sound lasts {seconds:.2f} s")
    unsure = [event.sound for event in plan.semantic.events if event.confidence < UNSURE]
    if unsure:
        found.append(f"unsure what is seen ({', '.join(unsure)}?); say it with --prompt")
    if job.plan is None:
        found += plan.provenance.notes
    else:
        found += [str(finding) for finding in lint(plan) if finding.severity == "error"]
        if not isinstance(job.video, Frames) and (note := plan.mismatch(Path(job.video))):
            found.append(note)
    return tuple(found)
