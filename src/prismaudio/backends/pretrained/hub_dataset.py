"""Rows of a data set on the hub or on this disk, media undecoded: for those who turn them into files of their own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.errors import PrismAudioError

SAVED = ("state.json", "dataset_dict.json")  # what `save_to_disk` leaves


class NoDataset(PrismAudioError):
    """A data set that is not there, or has no such split."""


def dataset_rows(where: str, split: str, revision: str | None = None) -> Iterator[dict[str, Any]]:
    """One dict a row, in their order. where: a name on the hub, or a folder on this disk (nothing is fetched then).

    A sound or a film is {"path": ..., "bytes": ...}, as it is stored; either may be None.
    """
    with extra_for("reading hub data sets", extra="finetune"):
        import datasets
    try:
        if any((Path(where) / name).is_file() for name in SAVED):
            loaded = datasets.load_from_disk(where)
            table = loaded[split] if isinstance(loaded, datasets.DatasetDict) else loaded
        else:
            table = datasets.load_dataset(where, split=split, revision=revision, streaming=True)
        for name, feature in (table.features or {}).items():
            if isinstance(feature, datasets.Audio | datasets.Video):
                table = table.cast_column(name, type(feature)(decode=False))
        yield from table
    except (OSError, ValueError, KeyError) as error:  # hub errors are OSErrors
        reason = str(error).strip().partition("\n")[0]
        raise NoDataset(
            f"cannot read the split {split!r} of the data set {where}: {reason}; check both names"
        ) from error
