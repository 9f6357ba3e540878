"""Where arms began and ended, on more held-out scenes than there is time for while they run.

An interval is half as wide with four times as many.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from experiments.measures import Record
from prismaudio.generation.engine import choose_engine
from prismaudio.generation.judging import choose_panel
from prismaudio.generation.loading import Loading
from prismaudio.media.files import replacing
from prismaudio.posttraining.examination import measured, sounded
from prismaudio.posttraining.run import build
from prismaudio.posttraining.settings import RunConfig
from prismaudio.posttraining.team import Team
from prismaudio.stage.corpus import Corpus


class End(NamedTuple):
    """Of one model, on held-out scenes."""

    scenes: list[Record]
    distance: float  # to true sounds


def end_of(
    model: str | Path,
    config: RunConfig,
    count: int,
    kept: Path,
    pool: Path,
    device: str,
    say: Callable[[str], None],
) -> End:
    """`count` held-out scenes of `config`, sounded by `model` as an examination would; from the file if it was done.

    The first scenes are those of examinations, with their noise.
    """
    if not kept.exists():
        say(f"{model}: {count} held-out scenes")
        scenes, distance = _measured(str(model), config, count, pool, device)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as temporary:
            temporary.write_text(json.dumps({"scenes": scenes, "distance": distance}), encoding="utf-8")
    return End(**json.loads(kept.read_text(encoding="utf-8")))


def _measured(model: str, config: RunConfig, count: int, pool: Path, device: str) -> End:
    loading = Loading(device=device, dtype="float32", engine="eager")
    judges = config.judges.model_copy(update={"device": str(choose_engine(device).device)})
    held_out = config.held_out.model_copy(update={"count": count})
    parts = build(
        config.model_copy(update={"model": model, "held_out": held_out}),
        choose_panel(judges, films=pool / "films"),
        Corpus.load(),
        pool,
        loading,
        Team(),
    )
    latents = sounded(parts.policy, config.training, parts.numbers, config.examination.together)
    found = measured(latents, parts.examiner, parts.truth(), parts.numbers)
    return End(found.records, found.figures["fd"])
