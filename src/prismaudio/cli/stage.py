"""`prismaudio stage`: short films whose sounds, moments and places are known."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from prismaudio.cli.options import CorpusFolder


class Split(StrEnum):
    """Recordings and sprites of one split never appear in another."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def stage(
    out: Annotated[Path, typer.Argument(help="Folder for the films; made if need be.", metavar="OUT")],
    count: Annotated[int, typer.Option(help="How many.", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="Another seed is another series.", min=0)] = 0,
    split: Annotated[Split, typer.Option(help="Which recordings and sprites may appear.")] = Split.TEST,
    start: Annotated[int, typer.Option(help="Number of the first scene.", min=0)] = 0,
    width: Annotated[int, typer.Option(help="Pixels, even.", min=16, max=4096)] = 320,
    height: Annotated[int, typer.Option(help="Pixels, even.", min=16, max=4096)] = 224,
    wav: Annotated[bool, typer.Option("--wav", help="Also the sound alone.")] = False,
    corpus: CorpusFolder = None,
) -> None:
    """Make labelled scenes: OUT/scene_00000.mp4 (H.264 and AAC) with scene_00000.plan.yaml, its truth.

    A scene depends on its number, the seed and the split only. Files of the same name are overwritten.

    \b
    Examples:
      prismaudio stage scenes/ --count 100
      prismaudio stage scenes/ --count 100 --start 100 --wav
    """
    from tqdm import tqdm

    from prismaudio.cli.outputs import make_folder
    from prismaudio.stage.corpus import Corpus
    from prismaudio.stage.film import write_scene
    from prismaudio.stage.scene import draw_scene

    loaded = Corpus.load(corpus)
    make_folder(out)
    for number in tqdm(range(start, start + count), desc="scenes", disable=None):
        scene = draw_scene(seed, number, split.value, loaded)
        write_scene(out / f"scene_{number:05d}", scene, loaded, (width, height), wav=wav)
    typer.echo(f"wrote {count} scenes to {out}")
