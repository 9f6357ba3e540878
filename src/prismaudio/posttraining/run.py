"""A post-training run on stage scenes or videos, from settings to a folder that generates: all is built and put together.

In the folder: config.toml, prompts/, checkpoint.pt, log.jsonl (a line per iteration), times.jsonl (what it took),
evaluations.jsonl, tensorboard/,
eval/ITERATION/ (sounds of held-out scenes and what each scored), best/ and weights/ (models to generate with).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.dimensions.scoring import Panel
from prismaudio.generation.engine import choose_engine
from prismaudio.generation.exhibits import compares
from prismaudio.generation.judging import choose_panel
from prismaudio.generation.loading import Loading, load
from prismaudio.generation.model import Model
from prismaudio.posttraining.alarm import best
from prismaudio.posttraining.dit_policy import DiTPolicy
from prismaudio.posttraining.examination import Examiner
from prismaudio.posttraining.heard import Heard
from prismaudio.posttraining.panel_listener import PanelListener, check_judges, quick_codec
from prismaudio.posttraining.policy import Judge
from prismaudio.posttraining.prompts import Prompt
from prismaudio.posttraining.result import averaged, save_model, write_card
from prismaudio.posttraining.run_files import cut
from prismaudio.posttraining.settings import OtherRun, RunConfig, settle
from prismaudio.posttraining.sketched import Sketched, check_sketching
from prismaudio.posttraining.stage_prompts import StagePrompt, prepare_prompts
from prismaudio.posttraining.team import Team
from prismaudio.posttraining.trainer import Log, Trainer
from prismaudio.posttraining.truth import Truth
from prismaudio.posttraining.video_prompts import Say, clips_of, prepare_video_prompts
from prismaudio.stage.corpus import Corpus

TIMES = "times.jsonl"
TOGETHER = 16  # sounds decoded at a time
TOGETHER_ON_CPU = 2  # spectra of more outgrow the caches of a processor


class Outcome(NamedTuple):
    """How a run ended."""

    weights: Path  # averaged, of the last iteration
    best: Path  # of the examination with the highest gold
    best_iteration: int
    iterations: int
    figures: list[dict[str, float]]  # of every examination


class Parts(NamedTuple):
    """What a trainer is made of."""

    policy: DiTPolicy
    judge: Judge  # during training
    examiner: Heard
    prompts: Sequence[Prompt]
    held_out: list[StagePrompt]

    @property
    def numbers(self) -> range:
        """Of the held-out scenes among the prompts of the policy."""
        return range(len(self.prompts), len(self.prompts) + len(self.held_out))

    def truth(self) -> Truth:
        """Of the held-out scenes."""
        return Truth([scene.plan for scene in self.held_out], [scene.sound for scene in self.held_out])


def post_train(  # noqa: PLR0913  # a run and its surroundings
    config: RunConfig,
    folder: Path,
    corpus: Corpus,
    *,
    device: str = "auto",
    pool: Path | None = None,
    resume: bool = False,
    panel: Panel | None = None,
    team: Team | None = None,
    say: Say = print,
) -> Outcome:
    """Go on until `config.training.iterations`, from the checkpoint of `folder` if there is one.

    device: of generator and judges, as of `generate --device`; a team has its own.

    pool: prompts that another run prepared, its `prompts` folder. resume: refuse to begin anew. panel: other judges
    than those of the settings. say: is told of alarms, and of videos that are left out.
    """
    if resume and not (folder / "checkpoint.pt").exists():
        raise OtherRun(f"{folder} holds no checkpoint to go on from; leave --resume out to begin")
    team = team or Team()
    loading = Loading(device=team.device or device, dtype="float32", engine="eager")
    judges = config.judges.model_copy(update={"device": str(choose_engine(loading.device).device)})
    pool = pool or folder / "prompts"
    panel = panel or choose_panel(judges, films=pool / "films")
    check_judges(panel, config.training.rewards)
    if config.videos is not None:
        clips_of(config.videos, config.training.prompts)  # too few of them are told before anything is made
    settle(folder, config)
    parts = build(config, panel, corpus, pool, loading, team, say)
    run = Trainer(parts.policy, parts.judge, len(parts.prompts), config.training, team=team)
    examiner = Examiner(
        parts.examiner,
        parts.numbers,
        parts.truth(),
        folder,
        config.examination,
        config.alarm,
        keep=lambda present, first, now: _save(present, config, folder / "best", first, now),
        say=say,
    )
    with Report(folder, run, config) as report:
        run.run(folder, report, examiner)
    _save(run, config, folder / "weights", examiner.figures[0], examiner.figures[-1])
    top = best(examiner.history, config.alarm)
    return Outcome(folder / "weights", folder / "best", top.iteration, run.iteration, examiner.figures)


def build(  # noqa: PLR0913  # all that a run is made of
    config: RunConfig,
    panel: Panel,
    corpus: Corpus,
    pool: Path,
    loading: Loading,
    team: Team,
    say: Say = print,
) -> Parts:
    """The generator, with prompts and held-out scenes as its prompts, in this order, and judges of both."""
    model, engine = load(config.model, loading)
    model.arrange(engine)
    with team.leader_first():
        prompts = _prompts(config, panel, corpus, pool, model, say if team.leads else _silently)
        held_out = prepare_prompts(pool / "held-out", config.held_out, model, panel.views, corpus)
    scenes = [*prompts, *held_out]
    policy = DiTPolicy.of(model, [scene.told for scene in scenes], scenes[0].plan.duration)
    listener = PanelListener(panel, lambda number: scenes[number].case())
    together = TOGETHER_ON_CPU if engine.device.type == "cpu" else TOGETHER
    judge: Judge
    if config.judging.by == "latents":
        judge = Sketched(check_sketching(model.codec, panel), panel, listener.case)
    else:
        quick = quick_codec(model.codec, config.judging.phase_rounds)
        judge = Heard(quick, listener, together=together, peaks=config.judging.peaks)
    fine = quick_codec(model.codec, config.examination.phase_rounds)
    return Parts(
        policy=policy,
        judge=judge,
        examiner=Heard(fine, listener, together=together),
        prompts=prompts,
        held_out=held_out,
    )


def _prompts(
    config: RunConfig, panel: Panel, corpus: Corpus, pool: Path, model: Model, say: Say
) -> Sequence[Prompt]:
    """Scenes, or videos if there are any."""
    folder, scenes = pool / "train", config.prompts
    if config.videos is None:
        return prepare_prompts(folder, scenes, model, panel.views, corpus)
    prompts = prepare_video_prompts(
        folder, config.videos, scenes.duration, scenes.arm, model, panel.views, config.training.prompts, say
    )
    silent = sum(prompt.samples is None for prompt in prompts)
    if silent and compares(panel):
        say(f"{silent} of {len(prompts)} videos have no sound: the spatial judge will say nothing of them")
    return prompts


def _silently(text: str) -> None:
    """For processes that do not lead."""


class Report:
    """What can be watched of a run: a bar on stderr, and TensorBoard."""

    def __init__(self, folder: Path, run: Trainer, config: RunConfig) -> None:
        self.folder, self.run = folder, run
        self.total = config.training.iterations
        self.watched = [name for name in DIMENSIONS if config.training.rewards[name]]

    def __enter__(self) -> "Report":
        self.writer: SummaryWriter | None = None
        self.bar = tqdm(total=self.total, desc="post-training", disable=None if self.run.team.leads else True)
        return self

    def __call__(self, iteration: int, log: Log) -> None:
        if self.writer is None:
            self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=iteration)
            cut(self.folder / TIMES, iteration)
        for name, value in log.items():
            self.writer.add_scalar(name, value, iteration)
        with (self.folder / TIMES).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": iteration, **self.run.seconds}) + "\n")
        self.bar.n = iteration
        self.bar.set_postfix({name: f"{log[f'{name}/mean']:.3f}" for name in self.watched})

    def __exit__(self, *problem: object) -> None:
        self.bar.close()
        if self.writer is not None:
            self.writer.close()
        if problem[0] is None and self.run.team.leads:  # of a run that had nothing left to do, too
            cut(self.folder / TIMES, self.run.iteration + 1)


def _save(
    run: Trainer, config: RunConfig, folder: Path, first: Mapping[str, float], now: Mapping[str, float]
) -> None:
    assert isinstance(run.policy, DiTPolicy)
    weights = ", ".join(f"{name} {weight:g}" for name, weight in config.training.rewards.items())
    facts = {
        "from": config.model,
        "prompts": "stage scenes" if config.videos is None else f"videos of {config.videos.path.name}",
        "algorithm": run.algorithm.name,
        "iterations": f"{run.iteration} of {config.training.prompts} prompts, {config.training.group} sounds each",
        "rewards": weights,
        "judges": ", ".join(f"{name}: {getattr(config.judges, name)}" for name in DIMENSIONS),
        "guidance": f"{config.training.guidance.sampling:g} in sampling, {config.training.guidance.training:g} in "
        "training, which is how it should be used",
        "seed": config.training.seed,
        "torch": torch.__version__,
    }
    state = averaged(run.policy, run.average)  # which all processes must ask for
    if run.team.leads:
        card = write_card(facts, first, now)
        save_model(state, config.model, folder, card, config.training.guidance.sampling)
    run.team.wait()
