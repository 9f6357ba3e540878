"""Pictures of an experiment: how rewards rose, and what changed on held-out scenes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.arms import Result
from experiments.curves import SMOOTHED, evaluations, examined_at, seconds, smoothed, total
from experiments.measures import MEASURES
from prismaudio.media.files import replacing


def draw_changes(results: Sequence[Result], path: Path) -> None:
    """One panel a figure: the change of every arm, with its 95 % interval; to the right is better."""
    figure = Figure(figsize=(13, 1.2 + 0.5 * len(results) * 2), layout="constrained")
    panels = figure.subplots(2, 4).ravel()
    for panel, (name, measure) in zip(panels, MEASURES.items(), strict=True):
        for place, result in enumerate(results):
            value, low, high = (measure.better * x for x in result.changes[name].difference)
            low, high = min(low, high), max(low, high)
            sure = low > 0 or high < 0
            panel.plot([low, high], [place, place], color="tab:blue" if sure else "silver", lw=3)
            panel.plot([value], [place], "o", color="black", ms=4)
        panel.axvline(0, color="grey", lw=0.8)
        panel.set_yticks(range(len(results)), [result.name for result in results])
        panel.invert_yaxis()
        panel.set_title(f"{name}: {'more' if measure.better > 0 else 'less'} is to the right", fontsize=9)
    figure.suptitle("Change on held-out scenes, 95 % interval (blue: without 0)")
    save(figure, path)


def draw_rewards(results: Sequence[Result], path: Path) -> None:
    """The weighted reward over iterations, seconds and network evaluations; dots are held-out scenes."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    axes: list[tuple[str, Callable[[Result], Any]]] = [
        ("iterations", lambda result: np.arange(1, len(result.rewards) + 1)),
        ("minutes", lambda result: np.cumsum(seconds(result)) / 60),
        ("network evaluations (sampling), thousands", lambda result: np.cumsum(evaluations(result)) / 1e3),
    ]
    for panel, (name, along) in zip(figure.subplots(1, 3), axes, strict=True):
        for result in results:
            (line,) = panel.plot(along(result), smoothed(total(result)), lw=0.8, alpha=0.5)
            at = [0, *along(result)]
            seen = [(at[place], reward) for place, reward in examined_at(result)]
            panel.plot(*zip(*seen, strict=True), "o-", color=line.get_color(), label=result.name)
        panel.set_xlabel(name)
        panel.set_ylabel(f"reward: held out; faint: of {SMOOTHED} iterations")
        panel.legend(fontsize=8)
    save(figure, path)


def draw_alarm(result: Result, path: Path) -> None:
    """Reward, gold and distance at every examination; alarms are marked."""
    figure = Figure(figsize=(12, 3.5), layout="constrained")
    at = [seen["iteration"] for seen in result.examinations]
    for panel, name in zip(figure.subplots(1, 3), ("reward", "gold", "fd"), strict=True):
        panel.plot(at, [seen[name] for seen in result.examinations], "o-")
        for iteration in result.alarms:
            panel.axvline(iteration, color="tab:red", lw=1, ls="--")
        panel.set_title({"fd": "distance to true sound"}.get(name, name))
        panel.set_xlabel("iterations; red: alarm")
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))
