"""The options of `prismaudio generate --candidates`, and what it writes of its choice."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from prismaudio.cli.delivery import Deliverer
    from prismaudio.dimensions.scoring import Panel
    from prismaudio.generation.candidates import Best, Choice
    from prismaudio.generation.many import Failure
    from prismaudio.generation.pipeline import Generation


class Choosing(NamedTuple):
    """How a choice is made, and where its card goes."""

    choice: "Choice"
    panel: "Panel"
    card: Path | None

    @property
    def names(self) -> int:
        """Of how many sounds of a video the names are needed: which seeds are kept is not known beforehand."""
        return self.choice.candidates if self.choice.keep > 1 else 1

    def card_of(self, sound: Path) -> Path:
        return self.card or sound.with_suffix(".card.json")

    def check(self, sounds: Sequence[Path], videos: Sequence[Path], *, force: bool) -> None:
        """Refuse cards that could not be written."""
        from prismaudio.cli.outputs import check_output

        if self.card is not None and len(videos) * self.choice.keep > 1:
            raise typer.BadParameter(
                f"--card {self.card.name} is one file; several sounds have cards beside them"
            )
        for sound in sounds:
            check_output(self.card_of(sound), (".json",), force=force, source=videos[0])


def choosing(
    candidates: int | None,
    keep: int,
    by: str,
    weights: str,
    takes: int,
    card: Path | None,
    rules: dict[str, Any],
) -> Choosing | None:
    """What the options ask for; None without --candidates. `rules`: as of `cli.judges.panel_of`"""
    from prismaudio.cli.judges import panel_of
    from prismaudio.generation.candidates import Choice, check_panel
    from prismaudio.generation.judging import weights_of

    if candidates is None:
        asked = (keep, by, weights, card, rules["judges"], rules["changes"], rules["scaling"])
        if asked != (1, "total", "", None, "embedded", None, "unit"):
            raise typer.BadParameter(
                "--keep, --choose-by, --card and the judges are of the best of several; give --candidates N"
            )
        return None
    if takes > 1:
        raise typer.BadParameter("--takes keeps all, --candidates the best; give one of them")
    values = {"candidates": candidates, "keep": keep, "by": by, "weights": weights_of(weights)}
    choice, panel = Choice.parse(values, source="--candidates"), panel_of(**rules)
    check_panel(panel, choice)
    return Choosing(choice, panel, card)


def deliver_best(
    best: "Best | Failure", names: Sequence[Path], chosen: Choosing, deliver: "Deliverer"
) -> list["Generation | None"]:
    """Write the kept sounds of one video with their cards, and show what all candidates were worth.

    names: of the one sound that is kept, or of every candidate in the order of their seeds.
    """
    from prismaudio.cli.delivery import print_notes
    from prismaudio.generation.many import Failure

    if isinstance(best, Failure):
        return [deliver(best, names[0])]
    written: list[Generation | None] = []
    for kept in best.kept:
        path = names[kept.card.seed - min(best.ratings)] if len(names) > 1 else names[0]
        written.append(deliver(kept.sound, path))
        kept.card.save(chosen.card_of(path))
        typer.echo(f"wrote {chosen.card_of(path)}")
    typer.echo(f"\n{best.table()}\n{best.kept[0].card.rules}")
    print_notes(best.notes)
    return written
