"""A report to look at and listen to: one static folder that any browser opens offline, nothing fetched from anywhere."""

import math
import shutil
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import numpy as np
from tqdm import tqdm

from prismaudio.errors import CannotWrite
from prismaudio.evaluation.suite.clips import Clip, Folders, find_clips
from prismaudio.evaluation.suite.gather import read_sound
from prismaudio.evaluation.suite.report import FolderReport, row_of
from prismaudio.generation.picture import draw_spectrogram
from prismaudio.media.audio import resample, write_audio
from prismaudio.media.mux import mux
from prismaudio.types import Audio

RATE = 44_100
INK, BAR = "#22262b", "#2a6f97"
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #22262b; max-width: 1100px; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .25rem .7rem; text-align: left }
th { border-bottom: 1px solid #9aa3ad } td.n { font-variant-numeric: tabular-nums } .faint { color: #6b747d }
.row { display: flex; flex-wrap: wrap; gap: 1rem } .clip { border-top: 1px solid #d8dde2; padding: 1rem 0 }
figure { margin: 0; width: 340px } img, video { width: 100% } audio { width: 100% } figcaption { font-size: 13px }
"""


class _Media(NamedTuple):
    """What can be seen and heard of one clip, as addresses within the folder."""

    title: str
    picture: str
    sound: str
    film: str | None


def check_folder(folder: Path | None, *, force: bool) -> None:
    """Refuse a place that would be overwritten, before anything is measured."""
    if folder is None:
        return
    if (
        folder.exists()
        and not (folder / "index.html").is_file()
        and (folder.is_file() or any(folder.iterdir()))
    ):
        raise CannotWrite(folder, "it exists and is no report", "choose an empty folder")
    if (folder / "index.html").is_file() and not force:
        raise CannotWrite(folder, "it exists", "give another folder, or --force to overwrite it")
    if not folder.resolve().parent.is_dir():
        raise CannotWrite(folder, "the folder above it does not exist", "create it first")


def write_html(report: FolderReport, folders: Folders, folder: Path, *, clips: int = 24) -> None:
    """index.html with sounds and pictures beside it; written next to `folder` first, so it appears whole."""
    beside = folder.resolve().with_name(f".prismaudio-{uuid4().hex[:12]}")
    try:
        (beside / "media").mkdir(parents=True)
        chosen = choose_clips(report, clips)
        files = {clip.name: clip for clip in find_clips(folders).clips}
        shown = [
            (name, _write_media(files[name], report, beside / "media", number))
            for number, name in enumerate(tqdm(chosen, desc="report", disable=None))
            if name in files
        ]
        plots = _write_plots(report, beside / "media")
        (beside / "index.html").write_text(_page(report, shown, plots), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        beside.replace(folder)
    except OSError as problem:
        reason = (problem.strerror or str(problem)).lower()
        raise CannotWrite(folder, reason, "choose a folder you can write to") from problem
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def choose_clips(report: FolderReport, most: int) -> list[str]:
    """The worst and the best by the first metric that tells clips apart, in turn; all if they are few."""
    names = [*report.clips]
    for metric, figure in report.metrics.items():
        values = {name: record.values.get(metric) for name, record in report.clips.items()}
        known = sorted((value, name) for name, value in values.items() if value is not None)
        if figure.better and len(known) > 1:
            ranked = [name for _, name in known][:: 1 if figure.better == "higher" else -1]
            ranked += [name for name in names if name not in set(ranked)]
            mixed = [name for pair in zip(ranked, reversed(ranked), strict=True) for name in pair]
            return list(dict.fromkeys(mixed))[:most]
    return names[:most]


def _write_media(clip: Clip, report: FolderReport, folder: Path, number: int) -> list[_Media]:
    """The judged sound, with its film if there is one, and the reference; numbered, as names may hold anything."""
    media = []
    for role, path in (("sound", clip.sound), ("reference", clip.reference)):
        if path is None:
            continue
        audio = resample(read_sound(path, report.protocol.reading), RATE)
        stem = f"{number:04}-{role}"
        write_audio(folder / f"{stem}.flac", audio)
        _draw(audio, folder / f"{stem}.png")
        film = None
        if clip.video is not None:
            film = f"media/{stem}.mp4"
            mux(clip.video, audio, folder / f"{stem}.mp4")
        title = report.system if role == "sound" else "reference"
        media.append(_Media(title, f"media/{stem}.png", f"media/{stem}.flac", film))
    return media


def _draw(audio: Audio, path: Path) -> None:
    """A spectrogram, as a picture; silence is dark."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 2.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    draw_spectrogram(axes, audio)
    axes.set_xlabel("seconds", color=INK)
    axes.set_ylabel("")
    figure.savefig(path)


def _write_plots(report: FolderReport, folder: Path) -> list[tuple[str, str]]:
    """A histogram for every metric that clips have values of: (metric, address)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    plots = []
    for number, (name, figure) in enumerate(report.metrics.items()):
        values = [record.values.get(name) for record in report.clips.values()]
        known = np.array([value for value in values if value is not None])
        if not len(known):
            continue
        canvas = Figure(figsize=(3.4, 2.2), dpi=100, layout="constrained")
        FigureCanvasAgg(canvas)
        axes = canvas.subplots()
        axes.hist(known, bins=min(30, max(5, len(known) // 3)), color=BAR)
        axes.axvline(figure.interval.value, color=INK, linewidth=1)
        axes.set_title(f"{name}{f' ({figure.unit})' * bool(figure.unit)}", fontsize=10, color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        canvas.savefig(folder / f"plot-{number:02}.png")
        plots.append((name, f"media/plot-{number:02}.png"))
    return plots


def _page(
    report: FolderReport, shown: Sequence[tuple[str, Sequence[_Media]]], plots: Sequence[tuple[str, str]]
) -> str:
    title = escape(report.system)
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>',
        f"<h1>{title}</h1><p>{escape(report.summary())}</p>",
        _metrics_table(report),
        '<p class="faint">Intervals hold 95 % over clips (bootstrap). Names that begin with proxy_ have no learned '
        "judge behind them. n/a was not measured, for the reason given.</p>",
        '<h2>Values of clips</h2><div class="row">',
        *(f'<figure><img src="{src}" alt="histogram of {escape(name)}"></figure>' for name, src in plots),
        f"</div><h2>Clips</h2><p>{len(shown)} of {report.counts.measured}; the worst and the best in turn.</p>",
        *(_clip(name, media, report) for name, media in shown),
        _problems(report),
        _protocol(report),
        "</html>",
    ]
    return "\n".join(parts)


def _metrics_table(report: FolderReport) -> str:
    heads = ("metric", "value", "95 % interval", "better", "N", "")
    known = [row_of(name, figure) for name, figure in report.metrics.items() if not figure.reason]
    absent = [[", ".join(names), "n/a", "", "", "", reason] for reason, names in report.absent().items()]
    rows = "".join(
        f"<tr>{''.join(f'<td class=n>{escape(cell)}</td>' for cell in cells)}</tr>"
        for cells in known + absent
    )
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{rows}</table>"


def _clip(name: str, media: Sequence[_Media], report: FolderReport) -> str:
    values = report.clips[name].values
    figures = ", ".join(f"{metric} {_short(value)}" for metric, value in values.items())
    players = []
    for medium in media:
        caption = f"<figcaption>{escape(medium.title)}</figcaption>"
        film = f'<video controls preload="none" src="{medium.film}"></video>' if medium.film else ""
        sound = f'<audio controls preload="metadata" src="{medium.sound}"></audio>'
        alt = f"spectrogram of {escape(name)}, {escape(medium.title)}"
        picture = f'<img src="{medium.picture}" alt="{alt}">'
        players.append(f"<figure>{caption}{picture}{sound}{film}</figure>")
    return (
        f'<div class="clip"><h3>{escape(name)}</h3><p class="faint">{escape(figures)}</p>'
        f'<div class="row">{"".join(players)}</div></div>'
    )


def _problems(report: FolderReport) -> str:
    if not report.problems:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(problem.kind)}</td><td>{escape(problem.detail)}</td></tr>"
        for name, problem in report.problems.items()
    )
    return f"<h2>Not measured</h2><table><tr><th>clip</th><th>why</th><th></th></tr>{rows}</table>"


def _protocol(report: FolderReport) -> str:
    facts = {
        "seconds judged": report.protocol.reading.seconds or "all",
        "loudness": report.protocol.reading.loudness or "as it is",
        "seed": report.protocol.seed,
        "bootstrap rounds": report.rounds,
        "versions": report.versions,
        "source": report.revision or "unknown",
        **{f"extractor {n}": f"{e.version} {e.digest}" for n, e in report.extractors.items()},
        **{", ".join(names): judge for judge, names in report.judges().items()},
    }
    rows = "".join(f"<tr><td>{escape(k)}</td><td>{escape(str(v))}</td></tr>" for k, v in facts.items())
    return f"<h2>Protocol</h2><table>{rows}</table>"


def _short(value: float | None) -> str:
    return "n/a" if value is None or math.isnan(value) else f"{value:.3g}"
