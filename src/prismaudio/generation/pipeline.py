"""The whole system behind one call: watch a video, plan its sound in four dimensions, generate it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from prismaudio.dimensions.arms import Arm
from prismaudio.dimensions.lint import lint
from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.generation.engine import Engine, decode
from prismaudio.generation.loading import Loading, load
from prismaudio.generation.long import Layout
from prismaudio.generation.mastering import Take
from prismaudio.generation.model import Clip, Model, Wording
from prismaudio.generation.options import Options
from prismaudio.generation.pictures import Film, open_film
from prismaudio.generation.prompting import apply_prompt
from prismaudio.generation.sampling import LatentSampler, Request, check_seed
from prismaudio.media.audio import write_audio
from prismaudio.media.mux import mux
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


class Job(NamedTuple):
    """One sound to be made: of which pictures, and with what told beforehand."""

    video: Path | str | Frames
    prompt: str | None = None
    negative_prompt: str | None = None
    plan: Plan | Path | str | None = None
    caption: str | None = None
    seed: int = 0


class Watched(NamedTuple):
    """A job whose pictures were seen and thought about."""

    seen: Any
    plan: Plan
    seconds: float


class VideoToAudio:
    """Sound for silent video: `VideoToAudio.from_pretrained("embedded")("clip.mp4").save("clip.sound.mp4")`."""

    def __init__(self, model: Model, engine: Engine) -> None:
        self.model = model
        self.engine = engine
        model.arrange(engine)
        self.codec = model.codec
        self.sampler = LatentSampler(model, engine)

    @classmethod
    def from_pretrained(
        cls, name: Path | str = "embedded", *, progress: Progress | None = None, **choices: Any
    ) -> Self:
        """name: "embedded" for the weights in this package; a folder that training, `prismaudio download` or
        `prismaudio convert` wrote; or a model on the hub, "FunAudioLLM/PrismAudio".

        choices: the fields of `loading.Loading` - device, dtype, engine, reproduce_release and more.
        """
        return cls(*load(str(name), Loading.parse(choices, source="from_pretrained"), progress))

    def plan(
        self,
        video: Path | str | Frames,
        *,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        duration: float | None = None,
        progress: Progress | None = None,
    ) -> Plan:
        """The four thoughts about `video`, to be read, edited and given back to a call."""
        options = Options.parse({"duration": duration}, source="options")
        watched = self._watch(open_film(video), options, Stages(progress))
        return told(watched, Job(video, prompt, negative_prompt)).plan

    def __call__(
        self,
        video: Path | str | Frames,
        *,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        plan: Plan | Path | str | None = None,
        caption: str | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        **choices: Any,
    ) -> Generation:
        """A sound exactly as long as the picture of `video`, or as its first `duration` seconds.

        prompt, negative_prompt: phrases separated by commas, see `prompting.py`. plan: what to play, instead of
        what the planner sees. caption: words for the text encoder, as they are, instead of the plan's. choices: the
        fields of `options.Options`. Equal calls give equal sounds.
        """
        job = Job(video, prompt, negative_prompt, plan, caption, seed)
        return self.batch([job], progress=progress, **choices)[0]

    def batch(
        self, jobs: Sequence[Job], *, progress: Progress | None = None, **choices: Any
    ) -> list[Generation]:
        """Many sounds, made together: faster than one after the other, and the same but for rounding.

        Jobs of one video, takes that differ in their seed, watch it once.
        """
        options, stages = Options.parse(choices, source="options"), Stages(progress)
        jobs = ready(jobs)
        watched = self._watch_all(jobs, options, stages)
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
        return self.model.backends()

    def _watch_all(self, jobs: Sequence[Job], options: Options, stages: Stages) -> list[Watched]:
        """Every film once, however many jobs it has; takes of one film share one plan, so it is read once."""
        films: dict[tuple[str | int, bool], Watched] = {}
        takes: dict[tuple[object, ...], Watched] = {}
        watched = []
        for job in jobs:
            thinking = job.plan is None and job.caption is None
            name = id(job.video) if isinstance(job.video, Frames) else str(job.video)
            if (name, thinking) not in films:
                films[name, thinking] = self._watch(open_film(job.video), options, stages, thinking=thinking)
            take = (name, thinking, id(job.plan), job.prompt, job.negative_prompt)
            if take not in takes:
                takes[take] = told(films[name, thinking], job)
            watched.append(takes[take])
        return watched

    def _watch(self, film: Film, options: Options, stages: Stages, *, thinking: bool = True) -> Watched:
        seconds = film.seconds if options.duration is None else min(film.seconds, options.duration)
        clip = Clip(seconds, Layout.covering(self.model.frames(seconds)), thinking)
        with stages.stage("watch") as report:
            seen = self.model.watch(film, clip, report)
        if not thinking:
            return Watched(seen, Plan(duration=seconds), seconds)
        with stages.stage("plan"):
            return Watched(seen, self.model.think(seen, seconds), seconds)

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


def ready(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, seeds checked and plans read, each file once: mistakes are told before anything is watched."""
    for job in jobs:
        check_seed(job.seed)
    files = {str(job.plan) for job in jobs if job.plan is not None and not isinstance(job.plan, Plan)}
    plans = {file: Plan.load(Path(file)) for file in sorted(files)}
    return [job._replace(plan=plans.get(str(job.plan), job.plan)) if plans else job for job in jobs]


def told(watched: Watched, job: Job) -> Watched:
    """With what the user said instead of, or on top of, the planner's thoughts."""
    plan = job.plan if isinstance(job.plan, Plan) else watched.plan
    return watched._replace(plan=apply_prompt(plan, job.prompt, job.negative_prompt))


def wording(job: Job, options: Options) -> Wording:
    """Takes of one clip are worded alike, unless chance words them."""
    return Wording(job.caption, options.arm, job.seed if options.arm is Arm.RANDOM else 0)


def notes(plan: Plan, seconds: float, job: Job) -> tuple[str, ...]:
    """What a user may want to know; of a plan of their own, also what contradicts itself in it."""
    found = []
    if abs(plan.duration - seconds) > DIFFERENT:
        found.append(f"the plan is for {plan.duration:.2f} s and the sound lasts {seconds:.2f} s")
    unsure = [event.sound for event in plan.semantic.events if event.confidence < UNSURE]
    if unsure:
        found.append(f"unsure what is seen ({', '.join(unsure)}?); say it with --prompt")
    if job.plan is not None:
        found += [str(finding) for finding in lint(plan) if finding.severity == "error"]
        if not isinstance(job.video, Frames) and (note := plan.mismatch(Path(job.video))):
            found.append(note)
    return tuple(found)
