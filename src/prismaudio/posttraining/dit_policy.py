"""The transformer of either size as a policy: a prompt is a clip with what is told about it.

Shapes: P prompts, N sounds, C latent channels, T latent frames.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from prismaudio.data.features import ClipFeatures, collate
from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.generation.long import Layout
from prismaudio.generation.model import Model, Wording
from prismaudio.models.conditioning import Features
from prismaudio.models.dit import ConditionedDiT, Prepared
from prismaudio.posttraining.policy import Policy


class TooLong(PrismAudioError):
    """Clips that need more than one window of the model."""


class Told(NamedTuple):
    """A prompt: a plan, and what the model saw of its picture (`Model.watch`), or None for the plan alone."""

    plan: Plan
    seen: Any | None = None
    wording: Wording = Wording()


class DiTPolicy(Policy):
    """`model` is trained in place. All clips are of one length, that of `frames` latent frames."""

    def __init__(self, model: ConditionedDiT, clips: Sequence[ClipFeatures], frames: int) -> None:
        super().__init__()
        self.model = model.requires_grad_(True)
        self.clips = clips
        self.latent_shape = (model.dit.project_in.in_features, frames)

    @classmethod
    def of(cls, model: Model, prompts: Sequence[Told], seconds: float) -> "DiTPolicy":
        """A generator of this project, of either size, with prompts whose first `seconds` are made."""
        layout = Layout.covering(model.frames(seconds))
        if len(layout.windows) > 1:
            raise TooLong(
                f"{seconds} s are {len(layout.windows)} windows of the model; post-train shorter ones"
            )
        clips = [model.tell(told.plan, told.seen, layout, told.wording)[0] for told in prompts]
        return cls(model.dit, clips, layout.width)

    def conditions(self, prompts: Sequence[int]) -> Features:
        features = collate([self.clips[prompt] for prompt in prompts])
        device = self.model.dit.project_in.weight.device
        return Features(*(None if part is None else part.to(device) for part in features))  # type: ignore[arg-type]

    def prepare(self, conditions: Features) -> Prepared:
        return self.model.prepare(conditions, self.latent_shape[1])

    def velocity(self, x: Tensor, t: Tensor, prepared: Prepared, rows: Tensor, guidance: float) -> Tensor:
        """x: (N, C, T), t: (N,), rows: (N,) -> (N, C, T). Guided against no conditions at all, as in use."""
        wanted = self.model.dit(x, t, prepared.select(rows))
        if guidance == 1:
            return wanted
        bare: Tensor = self.model.dit(x, t, None)
        return torch.lerp(bare, wanted, guidance)
