"""A generation on one page: film strip, waveform, spectrogram and the plan, above one another on one time axis."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.temporal import Span
from prismaudio.media.files import replacing
from prismaudio.media.preprocess import View
from prismaudio.media.video import read_views
from prismaudio.types import Audio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from prismaudio.generation.pipeline import Generation

SIZE = (12.0, 8.0)  # inches
DPI = 110
PAPER, INK, FAINT = "#ffffff", "#22262b", "#9aa3ad"
LEFT, RIGHT = "#2a6f97", "#d1603d"
EVENTS = ("#2a6f97", "#d1603d", "#5c8a3a", "#8a5a9e", "#b8860b", "#3f8f8a")
THUMBNAILS = 7
THUMBNAIL_SIZE = (192, 156)  # pixels, the proportions of its place on the page
COLUMNS = 2000  # of the waveform: enough for every pixel of the page
FFT, HOP = 2048, 512
LOWEST_HZ, RANGE_DB = 40, 80


def draw(generation: "Generation", path: Path) -> None:
    """Write a .png report; the file appears whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    audio, plan = generation.audio, generation.plan
    lanes = max(len(plan.semantic.events) + len(plan.semantic.ambience), 1)
    figure = Figure(
        figsize=(SIZE[0], SIZE[1] + 0.5 * (lanes - 1)), dpi=DPI, facecolor=PAPER, layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(4, 1, sharex=True, height_ratios=[1.05, 1.3, 2.2, 0.75 * lanes + 0.4])
    strip, wave, spectrum, lane = axes
    draw_strip(strip, generation.source, audio.duration)
    draw_waveform(wave, audio)
    draw_spectrogram(spectrum, audio)
    draw_plan(lane, plan)
    for one in axes:
        one.tick_params(colors=INK, labelsize=9)
        one.spines[["top", "right"]].set_visible(False)
        one.spines[["left", "bottom"]].set_color(FAINT)
    for one in (wave, spectrum):
        draw_hits(one, plan)
    lane.set_xlim(0, audio.duration)
    figure.align_ylabels(axes)
    lane.set_xlabel("seconds", color=INK)
    strip.set_title(f"{generation.source.name}   {generation.loudness:.1f} LUFS", loc="left", color=INK)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def draw_strip(axes: "Axes", video: Path, seconds: float) -> None:
    """Pictures of the film, each over its own stretch of time."""
    rate = THUMBNAILS / seconds
    frames = read_views(video, {"strip": View(rate, *THUMBNAIL_SIZE, "cover")}, duration=seconds)[
        "strip"
    ].images
    width = seconds / len(frames)
    for number, image in enumerate(frames):
        axes.imshow(image, extent=(number * width, (number + 0.96) * width, 0, 1), aspect="auto")
    axes.set_ylim(0, 1)
    axes.set_axis_off()


def draw_waveform(axes: "Axes", audio: Audio) -> None:
    """The left ear above, the right ear below, each by its extremes in every pixel."""
    samples = audio.samples.numpy()
    times = np.linspace(0, audio.duration, min(COLUMNS, samples.shape[1]))
    peak = max(float(np.abs(samples).max()), 1e-4)
    for row, name, colour in ((0, "left", LEFT), (-1, "right", RIGHT)):
        low, high = extremes(samples[row] / peak, len(times))
        centre = 1.0 if row == 0 else -1.0
        axes.fill_between(times, centre + low, centre + high, color=colour, linewidth=0.4)
        axes.text(0.004, 0.96 if row == 0 else 0.04, name, transform=axes.transAxes, color=colour,
                  va="top" if row == 0 else "bottom", fontsize=9)  # fmt: skip
    axes.set_ylim(-2.05, 2.05)
    axes.set_yticks([])
    axes.set_ylabel("waveform", color=INK)


def extremes(samples: NDArray[np.float32], columns: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N,) -> lowest and highest value in each of `columns` equal parts, at least one sample each."""
    edges = np.linspace(0, len(samples), columns, endpoint=False).astype(int)
    return np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)


def draw_spectrogram(axes: "Axes", audio: Audio) -> None:
    """Loudness over time and pitch, the strongest of both ears."""
    from matplotlib.ticker import NullLocator

    decibels = power_decibels(audio.samples.numpy())
    times = np.linspace(0, audio.duration, decibels.shape[1] + 1)
    edges = np.linspace(0, audio.sample_rate / 2, decibels.shape[0] + 1)
    top = float(decibels.max())
    axes.pcolormesh(
        times, edges, decibels, cmap="magma", vmin=top - RANGE_DB, vmax=top, shading="flat", rasterized=True
    )
    axes.set_yscale("log")
    axes.set_ylim(LOWEST_HZ, audio.sample_rate / 2)
    axes.set_yticks([100, 1000, 10000], ["100 Hz", "1 kHz", "10 kHz"])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("spectrogram", color=INK)


def power_decibels(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2, N) -> (frequency bins, at most COLUMNS frames) dB"""
    length = samples.shape[1]
    hop = max(HOP, length // COLUMNS)
    padded = np.pad(samples, ((0, 0), (FFT // 2, FFT)))
    starts = range(0, length, hop)
    window = np.hanning(FFT).astype(np.float32)
    frames = np.stack(
        [np.abs(np.fft.rfft(padded[:, s : s + FFT] * window)).max(axis=0) for s in starts], axis=1
    )
    return (20 * np.log10(np.maximum(frames / window.sum(), 1e-7))).astype(np.float32)


def draw_hits(axes: "Axes", plan: Plan) -> None:
    """A thin line wherever the plan wants something to strike."""
    for span in plan.temporal.spans:
        for hit in span.hits:
            axes.axvline(hit, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)))


def draw_plan(axes: "Axes", plan: Plan) -> None:
    """One lane per event, with its place between left (below) and right (above); then the ambience."""
    events, ambience = plan.semantic.events, plan.semantic.ambience
    sounds = [*(event.sound for event in events), *ambience]
    for number, event in enumerate(events):
        axes.axhline(-number, color=FAINT, linewidth=0.5, zorder=0)
        for side, height, below in (("right", 0.38, "top"), ("left", -0.38, "bottom")):
            axes.text(0.004, height - number, side, color=FAINT, fontsize=7, va=below,
                      transform=axes.get_yaxis_transform())  # fmt: skip
        for span in plan.temporal.spans:
            if span.event == event.id:
                draw_span(axes, plan, span, -number, EVENTS[number % len(EVENTS)])
    for number in range(len(events), len(sounds)):
        axes.broken_barh([(0, plan.duration)], (-number - 0.4, 0.8), color=FAINT, alpha=0.15, linewidth=0)
    axes.set_ylim(-max(len(sounds), 1) + 0.45, 0.55)
    axes.set_yticks([-number for number in range(len(sounds))], [wrapped(sound) for sound in sounds])
    axes.set_ylabel("plan", color=INK)
    if not sounds:
        axes.text(0.5, 0.5, "silence", transform=axes.transAxes, color=FAINT, ha="center")


def draw_span(axes: "Axes", plan: Plan, span: Span, lane: int, colour: str) -> None:
    """When an event is heard, its path while it is, and a dot where it strikes."""
    axes.broken_barh(
        [(span.onset, span.offset - span.onset)], (lane - 0.4, 0.8), color=colour, alpha=0.18, linewidth=0
    )
    place = next((place for place in plan.spatial.places if place.event == span.event), None)
    for moments, style in ((np.linspace(span.onset, span.offset, 50), "-"), (np.array(span.hits), "o")):
        azimuth = place.azimuth_at(moments) if place and len(moments) else np.zeros(len(moments))
        axes.plot(moments, lane + 0.36 * azimuth, style, color=colour, linewidth=1.2, markersize=6)


def wrapped(sound: str, width: int = 18) -> str:
    """Words on at most three lines."""
    return "\n".join(textwrap.wrap(sound, width, max_lines=3, placeholder=" ..."))
