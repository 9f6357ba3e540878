"""Seconds and memory of every stage of `generate`, for a stage scene of 9 s: cold from the shell, then warm.

python -m benchmarks.generate --out benchmark.json
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.clock import resident_peak
from benchmarks.output import GIB, machine, show, write
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.film import write_scene
from prismaudio.stage.scene import StageConfig, draw_scene

SECONDS = 9.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, help="also write the figures as JSON")
    arguments.add_argument("--rounds", type=int, default=5, help="warm rounds; the median is reported")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = nine_seconds(Path(folder))
        cold = from_the_shell(video)
        pipeline = VideoToAudio.from_pretrained("embedded")
        pipeline(video)
        rounds = [warm_round(pipeline, video) for _ in range(options.rounds)]
    figures = {
        "clip seconds": SECONDS,
        "cold, command line (s)": cold,
        "warm (s)": {stage: statistics.median(r[stage] for r in rounds) for stage in rounds[0]},
        "peak memory (GiB)": resident_peak() / GIB,
        "peak memory, command line (GiB)": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20,
        "machine": machine(pipeline.engine.device),
    }
    show(json.dumps(figures, indent=2))
    if options.out:
        write(options.out, figures)


def nine_seconds(folder: Path) -> Path:
    corpus = Corpus.load()
    scene = draw_scene(0, 1, "test", corpus, StageConfig(shortest=SECONDS, longest=SECONDS))
    return write_scene(folder / "clip", scene, corpus, (640, 448))[0]


def from_the_shell(video: Path) -> float:
    """Seconds of `prismaudio generate` in a new process, everything loaded afresh."""
    start = time.perf_counter()
    command: list[Path | str] = [
        Path(sys.executable).parent / "prismaudio",
        "generate",
        video,
        "-o",
        video.with_suffix(".cold.mp4"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def warm_round(pipeline: VideoToAudio, video: Path) -> dict[str, float]:
    start = time.perf_counter()
    result = pipeline(video)
    generated = time.perf_counter()
    result.save(video.with_suffix(".warm.mp4"))
    done = time.perf_counter()
    return {**result.timings, "write": done - generated, "total": done - start}


if __name__ == "__main__":
    main()
