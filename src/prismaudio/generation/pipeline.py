"""The whole system behind one call: watch a video, plan its sound in four dimensions, generate it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from prismaudio.dimensions.plan import Plan
from prismaudio.generation.engine import Engine, choose_engine, decode
from prismaudio.generation.loading import EmbeddedModel, load_embedded
from prismaudio.generation.options import Options
from prismaudio.generation.prompting import apply_prompt
from prismaudio.generation.sampling import LatentSampler
from prismaudio.generation.stages import Progress, Stages
from prismaudio.generation.watch import Seen, watch
from prismaudio.media.audio import fit_length, resample, write_audio
from prismaudio.media.loudness import integrated_loudness, normalise
from prismaudio.media.mux import mux
from prismaudio.media.video import probe
from prismaudio.types import Audio

SOUND_FILES = (".wav", ".flac")
UNSURE = 0.25  # probability below which a name is a guess
DIFFERENT = 0.1  # seconds by which a plan may miss the length of its picture without a note


@dataclass(frozen=True, eq=False)
class Generation:
    """A sound for a video, and how it came about."""

    video: Path
    audio: Audio  # exactly as long as the picture, or as the duration asked for
    plan: Plan
    loudness: float  # LUFS as measured
    timings: dict[str, float]  # seconds per stage: watch, plan, generate, decode, master
    backends: dict[str, str]  # what for -> the model that did it
    notes: tuple[str, ...] = ()

    def save(self, path: Path | str) -> None:
        """Write the sound (.wav, .flac), or the video with its sound replaced (.mp4, .mov, .mkv, .webm, .avi)."""
        if Path(path).suffix.lower() in SOUND_FILES:
            write_audio(path, self.audio)
        else:
            mux(self.video, self.audio, path)


class VideoToAudio:
    """Sound for silent video: `VideoToAudio.from_pretrained("embedded")("clip.mp4").save("clip.sound.mp4")`."""

    def __init__(self, model: EmbeddedModel, engine: Engine) -> None:
        self.model = model
        self.sampler = LatentSampler(model, engine)
        self.codec = model.codec.to(engine.codec_device)
        self.codec_device = engine.codec_device

    @classmethod
    def from_pretrained(
        cls, name: Path | str = "embedded", *, device: str = "auto", dtype: str = "auto"
    ) -> Self:
        """name: "embedded" for the weights in this package, or a folder of weights that training wrote."""
        engine = choose_engine(device, dtype)
        return cls(load_embedded(None if name == "embedded" else Path(name)), engine)

    def plan(
        self,
        video: Path | str,
        *,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        duration: float | None = None,
        progress: Progress | None = None,
    ) -> Plan:
        """The four thoughts about `video`, to be read, edited and given back to a call."""
        stages, options = Stages(progress), Options.parse({"duration": duration}, source="options")
        seconds = picture_seconds(Path(video), options)
        plan = self.think(self._watch(Path(video), seconds, stages), seconds, stages)
        return apply_prompt(plan, prompt, negative_prompt)

    def __call__(  # noqa: PLR0913  # the choices of a user, by name
        self,
        video: Path | str,
        *,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        plan: Plan | Path | str | None = None,
        duration: float | None = None,
        seed: int = 0,
        steps: int = 24,
        guidance: float = 4.0,
        loudness: float | None = -23.0,
        true_peak: float = -1.0,
        sample_rate: int = 44100,
        progress: Progress | None = None,
    ) -> Generation:
        """A sound exactly as long as the picture of `video`, or as its first `duration` seconds.

        prompt, negative_prompt: phrases separated by commas, see `prompting.py`. plan: what to play, instead of
        what the planner sees. loudness None leaves the level as it is. Equal calls give equal sounds.
        """
        values = {
            "duration": duration,
            "seed": seed,
            "steps": steps,
            "guidance": guidance,
            "loudness": loudness,
            "true_peak": true_peak,
            "sample_rate": sample_rate,
        }
        options, stages, video = Options.parse(values, source="options"), Stages(progress), Path(video)
        given = plan if plan is None or isinstance(plan, Plan) else Plan.load(Path(plan))
        seconds = picture_seconds(video, options)
        seen = self._watch(video, seconds, stages)
        told = apply_prompt(given or self.think(seen, seconds, stages), prompt, negative_prompt)
        audio, level = self.sound(seen, told, seconds, options, stages)
        return Generation(
            video=video,
            audio=audio,
            plan=told,
            loudness=level,
            timings=stages.timings,
            backends=self.backends() | {"planner": told.provenance.planner},
            notes=notes(told, seconds),
        )

    def think(self, seen: Seen, seconds: float, stages: Stages) -> Plan:
        """The planner's own thoughts."""
        with stages.stage("plan"):
            return self.model.planner.plan(seen.motion, seen.columns, seen.image_classes, seconds)

    def sound(
        self, seen: Seen, plan: Plan, seconds: float, options: Options, stages: Stages
    ) -> tuple[Audio, float]:
        """The sound of a plan, and its loudness in LUFS."""
        with stages.stage("generate") as report:
            latents = self.sampler(plan, seen, seconds, options, report)
        with stages.stage("decode") as report:
            decoded = decode(self.codec, latents.to(self.codec_device), report)
        with stages.stage("master"):
            return master(Audio(decoded, self.codec.sample_rate), plan, seconds, options)

    def backends(self) -> dict[str, str]:
        """What for -> the model that does it."""
        return {
            "picture": self.model.vision.name,
            "motion": self.model.motion.name,
            "words": self.model.words.name,
            "planner": self.model.planner.name,
            "generator": "embedded-dit",
            "codec": "embedded-mel-stereo",
        }

    def _watch(self, video: Path, seconds: float, stages: Stages) -> Seen:
        with stages.stage("watch") as report:
            return watch(video, self.model, seconds, report)


def picture_seconds(video: Path, options: Options) -> float:
    """How long the sound shall be."""
    picture = probe(video).duration
    return picture if options.duration is None else min(picture, options.duration)


def master(audio: Audio, plan: Plan, seconds: float, options: Options) -> tuple[Audio, float]:
    """Rate, length and level as asked for, and the loudness they come to. A plan of silence is not turned up."""
    audio = fit_length(resample(audio, options.sample_rate), seconds)
    level = integrated_loudness(audio)
    planned = plan.semantic.events or plan.semantic.ambience
    if options.loudness is None or (not planned and level < options.loudness):
        return audio, level
    normalised = normalise(audio, options.loudness, options.true_peak)
    return normalised.audio, normalised.loudness


def notes(plan: Plan, seconds: float) -> tuple[str, ...]:
    """What a user may want to know."""
    found = []
    if abs(plan.duration - seconds) > DIFFERENT:
        found.append(f"the plan is for {plan.duration:.2f} s and the sound lasts {seconds:.2f} s")
    unsure = [event.sound for event in plan.semantic.events if event.confidence < UNSURE]
    if unsure:
        found.append(f"unsure what is seen ({', '.join(unsure)}?); say it with --prompt")
    return tuple(found)
