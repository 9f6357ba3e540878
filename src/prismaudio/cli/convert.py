"""`prismaudio convert`: the authors' files to a folder as users of model hubs expect."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from prismaudio.cli.options import Force


class Numbers(StrEnum):
    """Formats that weights are kept in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


def convert(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder with prismaudio.ckpt, a model of the hub, or VideoPrism's .npz.", metavar="SOURCE"
        ),
    ],
    out: Annotated[
        Path, typer.Argument(help="The folder to write; it appears whole or not at all.", metavar="OUT")
    ],
    dtype: Annotated[
        Numbers, typer.Option(help="Of transformer and Synchformer; the codec stays in float32.")
    ] = Numbers.FLOAT32,
    force: Force = False,
) -> None:
    """Convert published weights to safetensors: config.json, one file a network, and a model card.

    From the .npz that VideoPrism is published as, the folder is one of the transformers library.

    \b
    Examples:
      prismaudio convert weights/ prismaudio-bf16/ --dtype bfloat16
      prismaudio convert FunAudioLLM/PrismAudio prismaudio/
      prismaudio convert flax_lvt_large_f8r288_repeated.npz prismaudio/videoprism/
      prismaudio generate clip.mp4 --model prismaudio/
    """
    from prismaudio.backends.pretrained.hub import resolve
    from prismaudio.cli.progress import ProgressBar
    from prismaudio.weights.layout import HUB_FILES

    with ProgressBar() as progress:
        if source.endswith(".npz"):
            from prismaudio.weights.conversion import convert_videoprism

            convert_videoprism(Path(source), out, dtype.value, force=force, progress=progress)
        else:
            from prismaudio.weights.conversion import convert_folder
            from prismaudio.weights.folder import find_files

            found = find_files(resolve(source, (), HUB_FILES, progress))
            convert_folder(found, out, dtype.value, force=force, progress=progress)
    for path in sorted(out.iterdir()):
        typer.echo(f"wrote {path}")
