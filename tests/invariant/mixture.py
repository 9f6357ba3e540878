"""A world small enough to post-train in seconds: points of a 2-D mixture, and judges who like one side of it."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from prismaudio.flow.path import flow_loss, interpolate
from prismaudio.posttraining.policy import Policy

MODES = torch.tensor([[2.0, 0.0], [-2.0, 0.0]])
SPREAD = 0.3
PROMPTS = 6  # each turns the mixture by another angle


class MixturePolicy(Policy):
    """A velocity by a small network. A prompt is an angle."""

    latent_shape = (2, 1)

    def __init__(self) -> None:
        super().__init__()
        self.told = nn.Linear(2, 16)
        self.layers = nn.Sequential(
            nn.Linear(20, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 2)
        )

    def conditions(self, prompts: Sequence[int]) -> Tensor:
        angles = torch.tensor([float(prompt) for prompt in prompts])
        return torch.stack([angles.cos(), angles.sin()], dim=1)

    def prepare(self, conditions: Tensor) -> Tensor:
        return self.told(conditions)

    def velocity(self, x: Tensor, t: Tensor, prepared: Tensor, rows: Tensor, guidance: float) -> Tensor:
        assert guidance == 1
        flat = torch.cat([x[..., 0], t[:, None], t[:, None] ** 2, prepared[rows]], dim=1)
        return self.layers(flat)[..., None]


def turned(points: Tensor, prompts: Tensor) -> Tensor:
    """points: (N, 2), prompts: (N,) -> (N, 2)"""
    angles = prompts.to(points)
    cos, sin = angles.cos(), angles.sin()
    return torch.stack(
        [cos * points[:, 0] - sin * points[:, 1], sin * points[:, 0] + cos * points[:, 1]], dim=1
    )


@cache
def _pretrained() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    policy = MixturePolicy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
    for _ in range(800):
        prompts = torch.randint(PROMPTS, (256,), generator=generator)
        which = torch.randint(2, (256,), generator=generator)
        points = MODES[which] + SPREAD * torch.randn(256, 2, generator=generator)
        data = turned(points, prompts)[..., None]
        noise = torch.randn(256, 2, 1, generator=generator)
        t = torch.rand(256, generator=generator)
        angles = policy.conditions(range(PROMPTS))
        v = policy(interpolate(data, noise, t), t, angles, prompts, 1.0)
        flow_loss(v, data, noise).backward()
        optimizer.step()
        optimizer.zero_grad()
    return {name: value.detach() for name, value in policy.state_dict().items()}


def pretrained() -> MixturePolicy:
    """A policy that makes both modes about equally often."""
    policy = MixturePolicy()
    policy.load_state_dict(_pretrained())
    return policy


class Nearness:
    """`near`: 1 at the first mode, 0 far from it. `small`: a smaller reward with another wish."""

    names = ("near", "small")

    def __call__(self, latents: Tensor, prompts: Sequence[int]) -> Tensor:
        points = turned(latents[..., 0], -torch.tensor(list(prompts)))
        near = (-(points - MODES[0]).square().sum(dim=1) / 4).exp()
        return torch.stack([near, -points[:, 1].abs()], dim=1)
