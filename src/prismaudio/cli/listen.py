"""`prismaudio listen`: listening tests that need no server, and what the answers say."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from prismaudio.cli.options import Force


class Kind(StrEnum):
    """What raters are asked."""

    MOS_Q = "mos-q"
    MOS_C = "mos-c"
    AB = "ab"


class Form(StrEnum):
    """What the table is written in."""

    MARKDOWN = "markdown"
    LATEX = "latex"
    JSON = "json"


def listen() -> None:
    """Ask people: opinions of quality (MOS-Q), of fit with the film (MOS-C), or preferences (A/B).

    \b
    Examples:
      prismaudio listen make test/ --system ours=sounds/ --system theirs=others/ --gt truth/
      prismaudio listen analyse ratings/*.csv --key test/key.json --baseline theirs
    """


def make(
    out: Annotated[Path, typer.Argument(help="New folder for the test.", metavar="DIR")],
    system: Annotated[
        list[str], typer.Option(help="A system's sounds, as NAME=DIR; repeat it.", metavar="NAME=DIR")
    ],
    gt: Annotated[Path | None, typer.Option(help="True sounds, the hidden reference.", metavar="DIR")] = None,
    video: Annotated[Path | None, typer.Option(help="Films, for mos-c and ab.", metavar="DIR")] = None,
    kind: Annotated[
        Kind, typer.Option(help="mos-q: sound alone; mos-c: with the film; ab: pairs.")
    ] = Kind.MOS_Q,
    title: Annotated[str, typer.Option(help="On top of the page.", metavar="TEXT")] = "Listening test",
    raters: Annotated[int, typer.Option(help="For how many, each with an order of their own.", min=1)] = 24,
    clips: Annotated[int | None, typer.Option(help="Only so many clips, drawn at random.", min=1)] = None,
    clips_per_rater: Annotated[
        int | None, typer.Option(help="Of these, how many each rater hears.", min=1)
    ] = None,
    headphones: Annotated[bool, typer.Option(help="Ask first at which ear a tone is.")] = True,
    seed: Annotated[int, typer.Option(help="Of clips and orders.", min=0)] = 0,
) -> None:
    """Make a page for raters that works from a disk or any web space, and the key to their answers.

    All sounds are brought to -23 LUFS below -1 dBTP. Opinions have a hidden reference and an anchor (for quality the
    reference below 3.5 kHz in mono, for consistency the reference 1 s late) and two items that come twice.
    Hand out DIR/page with a number for each rater (index.html?rater=1); keep DIR/key.json to yourself.

    \b
    Examples:
      prismaudio listen make test/ --system ours=sounds/ --system theirs=others/ --gt truth/ --clips 12
      prismaudio listen make test/ --kind mos-c --system ours=sounds/ --gt truth/ --video films/
      prismaudio listen make test/ --kind ab --system ours=sounds/ --system theirs=others/
    """
    from prismaudio.evaluation.listening.make import ListeningConfig, make_test
    from prismaudio.evaluation.listening.stimuli import Sources, parse_systems

    config = ListeningConfig(
        kind=kind.value, title=title, raters=raters, clips=clips, clips_per_rater=clips_per_rater,
        headphones=headphones, seed=seed,
    )  # fmt: skip
    made = make_test(Sources(parse_systems(system), gt, video), config, out)
    if made.off_level:
        typer.echo(f"not at -23 LUFS, as their peaks forbid it: {', '.join(made.off_level)}", err=True)
    typer.echo(f"{made.clips} clips, {', '.join(made.conditions)}\npage {made.page}\nkey  {made.key}")


def analyse(
    ratings: Annotated[list[Path], typer.Argument(help="The .csv files of raters.", metavar="CSV...")],
    key: Annotated[Path, typer.Option(help="key.json of the test.", metavar="FILE")],
    baseline: Annotated[
        str | None, typer.Option(help="Test all others against this condition.", metavar="NAME")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="markdown, latex or json.")] = Form.MARKDOWN,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it here, not on the screen.", metavar="FILE")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Of the bootstrap.", min=100)] = 2000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 0,
    force: Force = False,
) -> None:
    """Means with 95 % intervals over raters and clips, agreement of raters, tests with Holm's correction.

    Raters are left out who put the anchor above the reference on more than 20 % of the clips, or whose answers to the
    same item differ by more than 1 on average; they are listed.

    \b
    Examples:
      prismaudio listen analyse ratings/*.csv --key test/key.json
      prismaudio listen analyse ratings/*.csv --key test/key.json --baseline theirs --format latex --out table.tex
    """
    from prismaudio.cli.outputs import check_output
    from prismaudio.evaluation.listening.analysis import analyse as analyse_ratings
    from prismaudio.evaluation.listening.make import Key
    from prismaudio.evaluation.listening.ratings import read_ratings
    from prismaudio.media.files import replacing

    check_output(out, (".md", ".tex", ".json"), force=force, source=key)
    secret = Key.load(key)
    result = analyse_ratings(read_ratings(ratings, secret), secret, baseline, rounds, seed)
    text = {"markdown": result.markdown, "latex": result.latex, "json": result.model_dump_json}[form.value]()
    if out is None:
        typer.echo(text)
        return
    with replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
