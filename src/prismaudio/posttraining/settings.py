"""All settings of `prismaudio posttrain`, and how they are found: a preset, single settings, or those of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt

from prismaudio.config import BadConfig, Config
from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.errors import PrismAudioError
from prismaudio.generation.judging import EMBEDDED, PUBLISHED, Judges
from prismaudio.posttraining.alarm import AlarmConfig
from prismaudio.posttraining.config import PostTrainingConfig
from prismaudio.posttraining.examination import ExaminationConfig
from prismaudio.posttraining.panel_listener import check_rewards
from prismaudio.posttraining.stage_prompts import StagePromptsConfig
from prismaudio.posttraining.trainer import chosen_algorithm
from prismaudio.posttraining.video_prompts import VideosConfig

PRESETS = ("embedded", "published")
KEPT = "config.toml"  # in the folder of a run
OF_SCENES = ("count", "seed", "split", "clean", "stage")  # settings of `prompts` that say nothing of videos


class OtherRun(PrismAudioError):
    """A folder that holds a run of other settings, or none where one was expected."""


class JudgingConfig(Config):
    """How sounds are brought before the judges during training; examinations play them, and have their own."""

    by: Literal["sound", "latents"] = Field(
        "sound",
        description="latents: embedded judges are told what they would hear of them, and nothing is played",
    )
    phase_rounds: PositiveInt | None = None  # of the embedded codec; None: its own
    peaks: Literal["limited", "kept"] = "limited"


class RunConfig(Config):
    """A whole run."""

    model: str = "embedded"
    judges: Judges = EMBEDDED
    judging: JudgingConfig = JudgingConfig()
    prompts: StagePromptsConfig = StagePromptsConfig()
    videos: VideosConfig | None = Field(
        None, description="of these videos the first `prompts.seconds` are the prompts, instead of scenes"
    )
    held_out: StagePromptsConfig = StagePromptsConfig(count=32, split="validation")
    training: PostTrainingConfig = PostTrainingConfig()
    examination: ExaminationConfig = ExaminationConfig()
    alarm: AlarmConfig = AlarmConfig()

    def decisive(self) -> dict[str, Any]:
        """What must not change in a run that goes on; its length and its alarm may."""
        return self.model_dump(
            mode="json", exclude={"alarm": True, "training": {"iterations", "checkpoint_every"}}
        )


def read_settings(
    folder: Path,
    preset: str | None,
    overrides: Sequence[str],
    rewards: str | None = None,
    judges: str | None = None,
) -> RunConfig:
    """The preset (a name of `PRESETS` or a file) with what was set; without one, what the run in `folder` had.

    overrides: "a.b=c". rewards, judges: as `parse_rewards` and `parse_judges` read them.
    """
    kept = folder / KEPT
    goes_on = preset is None and kept.exists()
    config = RunConfig.resolve(kept if goes_on else preset_file(preset or PRESETS[0]), overrides)
    if judges is not None:
        config = config.model_copy(update={"judges": parse_judges(judges, config.judges)})
    weights = config.training.rewards if rewards is None else parse_rewards(rewards)
    training = config.training.model_copy(update={"rewards": check_rewards(weights)})
    config = config.model_copy(update={"training": training})
    chosen_algorithm(training)
    if config.videos is not None:
        _check_of_videos(overrides)
    elif training.prompts > config.prompts.count:
        raise BadConfig(
            f"an iteration takes {training.prompts} prompts and there are {config.prompts.count}; "
            "lower training.prompts or raise prompts.count"
        )
    if config.held_out.count < 2:
        raise BadConfig(
            "one held-out scene tells no distance to true sounds; set held_out.count to 2 or more"
        )
    if config.prompts.seconds != config.held_out.seconds:
        raise BadConfig(
            f"prompts of {config.prompts.seconds:g} s and held-out scenes of {config.held_out.seconds:g} s; "
            "set prompts.seconds and held_out.seconds alike"
        )
    return config


def _check_of_videos(overrides: Sequence[str]) -> None:
    """Raise if a setting of scenes was given that is without effect."""
    for name in (override.partition("=")[0].strip() for override in overrides):
        room, _, setting = name.partition(".")
        if room == "prompts" and setting.partition(".")[0] in OF_SCENES:
            raise BadConfig(
                f"{name} is a setting of stage scenes, and prompts are videos; leave it out"
                + (", or set videos.count" if setting == "count" else "")
            )


def settle(folder: Path, config: RunConfig) -> None:
    """Keep the settings in the folder of the run, or raise if it has others."""
    kept = folder / KEPT
    if kept.exists() and RunConfig.resolve(kept).decisive() != config.decisive():
        raise OtherRun(
            f"{folder} holds a run with other settings (see {kept}); choose another --out, or leave --preset "
            "and --set out to go on with it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    beside = kept.with_suffix(".partial")
    beside.write_text(config.to_toml(), encoding="utf-8")
    beside.replace(kept)


def preset_file(preset: str) -> Path:
    """Of a preset that comes with prismaudio, or the path itself."""
    if preset in PRESETS:
        return Path(__file__).parent / "presets" / f"{preset}.toml"
    if not Path(preset).is_file():
        raise BadConfig(f"no preset {preset!r}; give {', '.join(PRESETS)} or a .toml file")
    return Path(preset)


def parse_rewards(text: str) -> dict[str, float]:
    """ "semantic=1,temporal=0.6" -> weights; a name alone weighs 1."""
    weights = {}
    for name, value in _pairs(text).items():
        try:
            weights[name] = float(value or 1.0)
        except ValueError as error:
            raise BadConfig(f"--rewards {name}={value}: not a number; write {name}=1") from error
        if not weights[name] >= 0:
            raise BadConfig(f"--rewards {name}={value}: a weight is 0 or more")
    return weights


def parse_judges(text: str, present: Judges) -> Judges:
    """ "embedded", "published", or "semantic=ms-clap,spatial=gcc+ild" on top of those at present."""
    if text in ("embedded", "published"):
        chosen = {"embedded": EMBEDDED, "published": PUBLISHED}[text]
        return present.model_copy(update={name: getattr(chosen, name) for name in DIMENSIONS})
    return Judges.parse({**present.model_dump(), **_pairs(text)}, source="--judges")


def _pairs(text: str) -> Mapping[str, str]:
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    return {name.strip(): value.strip() for name, _, value in parts}
