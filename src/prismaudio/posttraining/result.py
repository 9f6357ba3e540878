"""What post-training hands over: a folder as training writes it, with the averaged transformer and a card.

`prismaudio generate --model FOLDER` loads it.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from prismaudio.backends.embedded.judges import FILES as JUDGES
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.generation.loading import EMBEDDED, EMBEDDED_FILE, assets
from prismaudio.models.checkpoints import CONFIG, GUIDANCE, read_config, save_tensors
from prismaudio.posttraining.dit_policy import DiTPolicy
from prismaudio.posttraining.lora import merged_state
from prismaudio.posttraining.weights import Weights
from prismaudio.weights.conversion import METADATA, convert_folder
from prismaudio.weights.folder import find_files
from prismaudio.weights.layout import HUB_FILES, NAMES, Layout

CARD = "README.md"


def averaged(policy: DiTPolicy, average: Weights) -> dict[str, Tensor]:
    """The transformer's state dict with the averaged weights, adapters merged; the policy is left as it is."""
    with average.at_work(policy):
        return merged_state(policy.model)


def save_model(state: Mapping[str, Tensor], start: str, folder: Path, card: str, guidance: float) -> None:
    """Write the model `start` with another transformer. The folder appears whole or not at all.

    start: "embedded", or a folder or hub model as of `generate --model`. The transformer is kept in float32: steps
    of post-training are smaller than half precision. guidance: the scale it learned at, by which an embedded model is
    used from now on.
    """
    beside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    source = assets() if start == EMBEDDED else Path(start)
    if (source / EMBEDDED_FILE).is_file():
        beside.mkdir(parents=True)
        for path in sorted(source.glob("*.safetensors")):
            if path.name not in (EMBEDDED_FILE, *JUDGES.values()):
                shutil.copyfile(path, beside / path.name)
        entry = read_config(source / EMBEDDED_FILE) | {GUIDANCE: guidance}
        save_tensors(beside / EMBEDDED_FILE, state, {CONFIG: json.dumps(entry)})
    else:
        files = find_files(resolve(start, (), HUB_FILES, None))
        convert_folder(files, beside, "float32", force=False, progress=lambda stage, share: None)
        save_tensors(beside / NAMES[Layout.CONVERTED].model, state, METADATA)
    (beside / CARD).write_text(card, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def write_card(facts: Mapping[str, object], before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """facts: what the run was; before and after: figures of held-out scenes."""
    rows = [f"| {name} | {before[name]:.4f} | {after[name]:.4f} |" for name in after if name in before]
    return "\n".join(
        [
            "# A post-trained model of prismaudio",
            "",
            *(f"- {name}: {value}" for name, value in facts.items()),
            "",
            "Held-out scenes of the stage, averaged weights, fixed noise. Rewards were optimised where they have a",
            "weight; gold, its parts, `quality` and the distance `fd` were not. Figures of every scene are in the run's",
            "`eval` folder.",
            "",
            "| figure | before | here |",
            "|---|---|---|",
            *rows,
            "",
            "Load it with `prismaudio generate VIDEO --model FOLDER`.",
            "",
        ]
    )
