"""Contact sheets for auditing the corpus by eye.

Two kinds of sheets are written, a few labelled cells per image:

* ``sprites``: every sprite over a chequerboard, so that missing alpha shows as a box;
* ``sounds``: waveform and mel spectrogram of every recording on a shared time axis.

Usage::

    python tools/corpus_sheets.py sprites corpus out/
    python tools/corpus_sheets.py sounds corpus out/ --classes dog bell
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from PIL import Image, ImageDraw

Array = npt.NDArray[np.float32]


def read_rows(path: Path, classes: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a corpus table sorted by class, limited to ``classes`` when given."""
    with path.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    if classes:
        rows = [row for row in rows if row["class"] in classes]
    return sorted(rows, key=lambda row: (row["class"], row["file"]))


def mel_filters(rate: int, size: int, bands: int) -> Array:
    """Triangular mel filters of shape (bands, size // 2 + 1) from 40 Hz to 20 kHz."""
    top = min(20000.0, rate / 2)
    mels = np.linspace(_mel(40.0), _mel(top), bands + 2)
    edges = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    freqs = np.fft.rfftfreq(size, 1.0 / rate)
    rise = (freqs[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - freqs[None]) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.clip(np.minimum(rise, fall), 0.0, None)
    weights /= weights.sum(1, keepdims=True) + 1e-9
    return weights.astype(np.float32)


def _mel(hertz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hertz / 700.0))


def mel_picture(mono: Array, rate: int, width: int, height: int, seconds: float) -> Array:
    """Mel spectrogram in [0, 1], 70 dB range, low frequencies at the bottom."""
    size = 2048 if rate >= 32000 else 1024
    hop = max(1, int(seconds * rate / width))
    padded = np.pad(mono, (size // 2, size // 2 + hop))
    window = np.hanning(size).astype(np.float32)
    starts = np.arange(0, max(1, len(mono)), hop)[:width]
    frames = np.stack([padded[s : s + size] for s in starts]) * window
    power = np.abs(np.fft.rfft(frames, axis=1)).astype(np.float32) ** 2
    mels = power @ mel_filters(rate, size, height).T
    decibel = 10.0 * np.log10(mels + 1e-10)
    decibel = np.clip((decibel - decibel.max() + 70.0) / 70.0, 0.0, 1.0)
    out = np.zeros((height, width), np.float32)
    out[:, : len(starts)] = decibel.T[::-1]
    return out


def heat(values: Array) -> npt.NDArray[np.uint8]:
    """Map [0, 1] to black, purple, orange, white."""
    stops = np.array([0.0, 0.35, 0.7, 1.0])
    colours = np.array([[0, 0, 8], [90, 20, 120], [240, 120, 30], [255, 255, 220]])
    channels = [np.interp(values, stops, colours[:, c]) for c in range(3)]
    return np.stack(channels, -1).astype(np.uint8)


def sound_cell(path: Path, row: dict[str, str], width: int, height: int) -> Image.Image:
    """One recording: caption, waveform strip and spectrogram."""
    samples, rate = soundfile.read(path, always_2d=True, dtype="float32")
    mono = samples.mean(1)
    length = len(mono) / rate
    seconds = next((s for s in (0.5, 1.0, 2.0, 4.0, 6.0) if length <= s), 10.0)
    cell = Image.new("RGB", (width, height), (30, 30, 30))
    draw = ImageDraw.Draw(cell)
    name = row["source_path"].split("/")[-1].split("!")[-1]
    caption = f"{row['file'].removesuffix('.ogg')} {length:.2f}/{seconds:g}s {rate // 1000}k"
    draw.text((2, 0), caption, fill=(255, 255, 255))
    draw.text((2, 10), name[-40:], fill=(160, 220, 160))
    strip = 22
    edges = (np.linspace(0, seconds, width + 1) * rate).astype(int)
    for column in range(width):
        part = mono[edges[column] : max(edges[column] + 1, edges[column + 1])]
        if len(part):
            half = float(np.abs(part).max()) * strip / 2
            middle = 22 + strip / 2
            draw.line((column, middle - half, column, middle + half), fill=(90, 170, 255))
    picture = mel_picture(mono, rate, width, height - 22 - strip, seconds)
    cell.paste(Image.fromarray(heat(picture)), (0, 22 + strip))
    return cell


def sprite_cell(path: Path, row: dict[str, str], width: int, height: int) -> Image.Image:
    """One sprite over a chequerboard with its file name and text."""
    cell = Image.new("RGB", (width, height), (40, 40, 40))
    draw = ImageDraw.Draw(cell)
    draw.text((2, 0), row["file"].removesuffix(".png"), fill=(255, 255, 255))
    draw.text((2, 10), row["text"][:24], fill=(160, 220, 160))
    side = min(width, height - 22)
    grid = (np.indices((side, side)) // 12).sum(0) % 2
    board = Image.fromarray((150 + 60 * grid).astype(np.uint8)).convert("RGBA")
    sprite = Image.open(path).convert("RGBA")
    sprite.thumbnail((side, side))
    board.alpha_composite(sprite, ((side - sprite.width) // 2, (side - sprite.height) // 2))
    cell.paste(board.convert("RGB"), ((width - side) // 2, 22))
    return cell


def write_sheets(cells: Sequence[Image.Image], columns: int, rows: int, stem: Path) -> None:
    """Tile cells into numbered PNG files ``stem_00.png``, ``stem_01.png``, ..."""
    per = columns * rows
    for number, start in enumerate(range(0, len(cells), per)):
        part = cells[start : start + per]
        width, height = part[0].size
        used = -(-len(part) // columns)
        sheet = Image.new("RGB", (columns * (width + 2), used * (height + 2)), (0, 0, 0))
        for index, cell in enumerate(part):
            place = (index % columns * (width + 2), index // columns * (height + 2))
            sheet.paste(cell, place)
        sheet.save(stem.with_name(f"{stem.name}_{number:02d}.png"))


def main(argv: Sequence[str] | None = None) -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=["sprites", "sounds"])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--classes", nargs="*", default=[])
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    rows = read_rows(args.corpus / f"{args.kind}.csv", args.classes)
    folder: Path = args.corpus / args.kind
    if args.kind == "sprites":
        cells = [sprite_cell(folder / row["file"], row, 118, 140) for row in rows]
        write_sheets(cells, 12, 7, args.out / "sprites")
    else:
        cells = [sound_cell(folder / row["file"], row, 236, 134) for row in rows]
        write_sheets(cells, 6, 8, args.out / "sounds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
