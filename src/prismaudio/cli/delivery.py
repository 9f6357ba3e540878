"""What `prismaudio generate` leaves behind: the video with its sound, files beside it, and lines that say so."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prismaudio.generation.many import Failure
    from prismaudio.generation.pipeline import Generation
    from prismaudio.stages import Stages


class Beside(NamedTuple):
    """Files that may be written beside a single sound."""

    audio: Path | None
    plan: Path | None
    picture: Path | None

    def check(self, sounds: int, video: Path, *, force: bool) -> None:
        from prismaudio.cli.outputs import PLAN_FILES, check_output
        from prismaudio.generation.pipeline import SOUND_FILES

        for path, endings in zip(self, (SOUND_FILES, PLAN_FILES, (".png",)), strict=True):
            check_output(path, endings, force=force, source=video)
            if path is not None and sounds > 1:
                raise typer.BadParameter(f"{path.name} is one file, but {sounds} sounds are asked for")

    def write(self, result: "Generation") -> list[Path]:
        if self.audio is not None:
            result.save(self.audio)
        if self.plan is not None:
            result.plan.save(self.plan)
        if self.picture is not None:
            from prismaudio.generation.picture import draw

            draw(result, self.picture)
        return [path for path in self if path is not None]


class Deliverer(NamedTuple):
    """Writes one sound after the other, and says so."""

    beside: Beside
    around: "Stages"
    keep_original: bool

    def __call__(self, result: "Generation | Failure", path: Path) -> "Generation | None":
        """None, and a line that says why, if the sound could not be made."""
        from prismaudio.cli.outputs import print_plan
        from prismaudio.generation.many import Failure
        from prismaudio.media.mux import mux

        if isinstance(result, Failure):
            typer.echo(f"prismaudio: {result.error}", err=True)
            return None
        with self.around.stage("write"):
            mux(result.source, result.audio, path, keep_original=self.keep_original)
            written = [path, *self.beside.write(result)]
        print_plan(result.plan)
        print_notes(result.notes)
        typer.echo("\n".join(f"wrote {one}" for one in written))
        return result


def print_notes(notes: "Sequence[str]") -> None:
    """What a user may want to know, on stderr."""
    for note in notes:
        typer.echo(f"prismaudio: note: {note}", err=True)


def print_times(around: dict[str, float], results: list["Generation"]) -> None:
    """Seconds per stage, and their sum; sounds that were made together share their times."""
    batches = {id(result.timings): result.timings for result in results}
    timings = {"load": around["load"]}
    for batch in batches.values():
        for name, seconds in batch.items():
            timings[name] = timings.get(name, 0.0) + seconds
    timings["write"] = around.get("write", 0.0)
    for name, seconds in [*timings.items(), ("total", sum(timings.values()))]:
        typer.echo(f"{name:<10} {seconds:7.2f} s")
