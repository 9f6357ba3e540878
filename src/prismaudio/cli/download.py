"""`prismaudio download`: the published weights, on your terms and theirs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from prismaudio.errors import PrismAudioError


class NotConfirmed(PrismAudioError):
    """Nobody said yes."""


def download(
    model: Annotated[
        str, typer.Argument(help="On the hub, as owner/name or owner/name@revision.", metavar="MODEL")
    ] = "FunAudioLLM/PrismAudio",
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", help="Into this folder; default: the cache of huggingface_hub.", metavar="FOLDER"
        ),
    ] = None,
    encoders: Annotated[
        bool, typer.Option("--encoders/--no-encoders", help="Also the two models that see and read for it.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be downloaded.")] = False,
) -> None:
    """Download the published model, after saying how large it is and under which licences.

    An interrupted download continues where it was. Every file is checked; its SHA-256 is printed. The variables
    HF_HOME, HF_TOKEN and HF_ENDPOINT of huggingface_hub are respected.

    \b
    Examples:
      prismaudio download --dry-run
      prismaudio download --yes
      prismaudio download --to weights/ --no-encoders
    """
    from prismaudio.cli.progress import ProgressBar
    from prismaudio.weights.downloading import plan, size

    planned = plan(model, to, encoders=encoders)
    typer.echo("\n".join(planned.lines()))
    if dry_run:
        return
    planned.check()
    if planned.missing and not yes:
        confirm()
    with ProgressBar() as progress:
        for file in planned.run(progress):
            typer.echo(f"{file.sha256}  {size(file.size):>9}  {file.path}")
    typer.echo(f"wrote {planned.folder}; use it with --model {to or model}")


def confirm() -> None:
    """Go on only if somebody says so."""
    if not sys.stdin.isatty():
        raise NotConfirmed("nobody is there to be asked; give --yes to download, or --dry-run to look")
    if not typer.confirm("Download?"):
        raise NotConfirmed("nothing was downloaded; give --dry-run to look only")
