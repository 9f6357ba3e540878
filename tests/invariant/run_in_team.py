"""One of the processes that post-train the mixture together: `python -m torch.distributed.run ... FOLDER`."""

import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from mixture import PROMPTS, Nearness, pretrained

from prismaudio.posttraining.config import PostTrainingConfig
from prismaudio.posttraining.sharding import whole
from prismaudio.posttraining.team import Team
from prismaudio.posttraining.trainer import Trainer

folder = Path(sys.argv[1])
config = PostTrainingConfig.resolve(folder / "config.toml")
run = Trainer(pretrained(), Nearness(), PROMPTS, config, team=Team(Accelerator(cpu=True)))
gradients: list[torch.Tensor] = []
run.optimizer.register_step_pre_hook(
    lambda *_: gradients.append(torch.cat([whole(value.grad).flatten() for value in run.policy.parameters()]))
)
run.run(folder / f"of{run.team.size}")
torch.save(gradients[0], folder / f"of{run.team.size}" / f"gradient{run.team.rank}.pt")
