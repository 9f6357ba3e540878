"""`prismaudio demo`: a camera clip and a stage scene, both given sound, to see that everything works."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from prismaudio.cli.options import CorpusFolder

# of the test split; chosen because its one source is named rightly, which most are not
SCENE = (4, 0)  # seed and number
# what moves in the camera clip is found by the planner, what it is called is not: it learned its names on the stage
TREE_PROMPT = "something whooshing past, + leaves rustling, + wind blowing"


def demo(
    out: Annotated[Path, typer.Argument(help="Folder for the results.", metavar="OUT")] = Path("out"),
    seed: Annotated[int, typer.Option(help="Another seed is another take.")] = 0,
    corpus: CorpusFolder = None,
) -> None:
    """Generate sound for two short videos that come with prismaudio: a camera clip and a stage scene.

    Writes the videos, the videos with sound, and a one-page picture of each to OUT, over those of an earlier
    demo.

    \b
    Example:
      prismaudio demo out/
    """
    from prismaudio.cli.outputs import make_folder, print_plan
    from prismaudio.cli.progress import ProgressBar
    from prismaudio.generation.loading import assets
    from prismaudio.generation.picture import draw
    from prismaudio.generation.pipeline import VideoToAudio

    make_folder(out)
    shutil.copyfile(assets() / "tree.mp4", out / "tree.mp4")
    videos = {out / "tree.mp4": TREE_PROMPT} | dict.fromkeys(stage_scene(out / "scene", corpus))
    pipeline = VideoToAudio.from_pretrained("embedded")
    for video, prompt in videos.items():
        with ProgressBar() as progress:
            result = pipeline(video, prompt=prompt, seed=seed, progress=progress)
        sound, picture = video.with_suffix(".sound.mp4"), video.with_suffix(".png")
        result.save(sound)
        draw(result, picture)
        told = f' --prompt "{prompt}"' if prompt else ""
        typer.echo(
            f"{video.name}{told}: {result.audio.duration:.2f} s in {sum(result.timings.values()):.1f} s"
        )
        print_plan(result.plan)
        typer.echo(f"wrote {sound} and {picture}\n")


def stage_scene(stem: Path, corpus: Path | None) -> list[Path]:
    """Render one scene with the sound that is true of it; nothing where there is no corpus, as in a wheel."""
    from prismaudio.stage.corpus import Corpus, MissingCorpus
    from prismaudio.stage.film import write_scene
    from prismaudio.stage.scene import draw_scene

    try:
        loaded = Corpus.load(corpus)
    except MissingCorpus as error:
        typer.echo(f"prismaudio: no stage scene: {error}", err=True)
        return []
    return write_scene(stem, draw_scene(*SCENE, "test", loaded), loaded, (320, 224))[:1]
