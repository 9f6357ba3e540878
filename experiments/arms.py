"""An experiment: several post-training runs that differ in a few settings, from one start, on the same scenes."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.ends import End, end_of
from experiments.measures import Change, Record, changes, examined, read
from prismaudio.posttraining.run import TIMES, post_train
from prismaudio.posttraining.settings import RunConfig, read_settings
from prismaudio.stage.corpus import Corpus

SIZES: dict[str, tuple[str, ...]] = {
    # on two processor cores: the embedded preset, which is made for them
    "small": ("examination.every=20", "examination.listen=4"),
    # on a card
    "full": (
        "training.iterations=400",
        "training.prompts=16",
        "training.group=16",
        "training.steps=24",
        "prompts.count=1000",
        "held_out.count=200",
        "prompts.seconds=9",
        "held_out.seconds=9",
        "examination.every=50",
    ),
}
COMMON = ("held_out.split=test", "held_out.seed=2026", "training.algorithm=fast-grpo")


class Arm(NamedTuple):
    """One run of an experiment."""

    name: str
    rewards: str | None = None  # as of --rewards; None: those of the preset
    changes: tuple[str, ...] = ()  # settings, "a.b=c"


class Result(NamedTuple):
    """What came of an arm."""

    name: str
    settings: RunConfig
    rewards: list[dict[str, float]]  # a line per iteration
    seconds: list[dict[str, float]]  # likewise
    examinations: list[dict[str, Any]]
    changes: dict[str, Change]  # from the start model to the end
    distances: tuple[float, float]  # to true sounds, at the start and at the end
    alarms: dict[int, list[str]]  # iteration -> why
    last: list[Record]  # scenes of the end

    def record(self) -> dict[str, Any]:
        """For a JSON file."""
        return {
            "name": self.name,
            "settings": self.settings.model_dump(mode="json"),
            "rewards": self.rewards,
            "seconds": self.seconds,
            "examinations": self.examinations,
            "scenes": len(self.last),
            "changes": {name: change._asdict() for name, change in self.changes.items()},
            "distances": self.distances,
            "alarms": self.alarms,
        }


def run_arms(  # noqa: PLR0913  # an experiment and its surroundings
    arms: Sequence[Arm],
    size: str,
    folder: Path,
    pool: Path,
    overrides: Sequence[str],
    device: str,
    say: Callable[[str], None],
    scenes: int | None = None,
) -> list[Result]:
    """Each in a folder of its own, which it goes on from if it was interrupted; `pool` holds the prompts of all.

    scenes: held-out ones on which starts and ends are compared; None: those of examinations.
    """
    corpus, results = Corpus.load(), []
    for arm in arms:
        given = [*COMMON, *SIZES[size], *arm.changes, *overrides]
        config = read_settings(folder / arm.name, "embedded", given, arm.rewards)
        say(f"arm {arm.name}: {arm.rewards or 'all rewards'} {' '.join(arm.changes)}")
        start = time.perf_counter()
        post_train(config, folder / arm.name, corpus, pool=pool, device=device, say=say)
        say(f"arm {arm.name} took {time.perf_counter() - start:.0f} s")
        ends = None
        if scenes is not None:
            kept = folder / arm.name / "ends" / str(scenes)
            ends = (
                end_of(config.model, config, scenes, kept / "start.json", pool, device, say),
                end_of(folder / arm.name / "weights", config, scenes, kept / "end.json", pool, device, say),
            )
        results.append(gathered(arm.name, config, folder / arm.name, ends))
    return results


def gathered(name: str, config: RunConfig, run: Path, ends: tuple[End, End] | None = None) -> Result:
    """From the files of a finished run. ends: its start and its end on other scenes than those of its examinations"""
    evaluations = lines(run / "evaluations.jsonl")
    done = examined(run)
    first, last = ends or (
        End(read(run, done[0]), evaluations[0]["fd"]),
        End(read(run, done[-1]), evaluations[-1]["fd"]),
    )
    return Result(
        name=name,
        settings=config,
        rewards=[figures(line) for line in lines(run / "log.jsonl")],
        seconds=lines(run / TIMES),
        examinations=evaluations,
        changes=changes(first.scenes, last.scenes),
        distances=(first.distance, last.distance),
        alarms={int(seen["iteration"]): seen["alarm"] for seen in evaluations if seen["alarm"]},
        last=last.scenes,
    )


def figures(line: Mapping[str, float]) -> dict[str, float]:
    """Of an iteration: the means and spreads of rewards, and what it cost."""
    kept = ("/mean", "/spread", "iteration", "evaluations_per_sound", "kl")
    return {name: value for name, value in line.items() if name.endswith(kept)}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
