"""What a rollout keeps, what it costs, and that a sound is the same in any company."""

import pytest
import torch
from torch import Tensor

from prismaudio.flow.sampler import sample, time_grid
from prismaudio.flow.sde import ODE, Coefficients, FlowSDE, linspace_schedule, transition
from prismaudio.posttraining.algorithm import ALGORITHMS, FAST_GRPO, FLOW_GRPO, BadGroup, choose_algorithm
from prismaudio.posttraining.items import match_items, select, step_items
from prismaudio.posttraining.rollout import Trajectory, rollout
from prismaudio.posttraining.route import Route, Tail, evaluations, route
from prismaudio.posttraining.window import Place, StepPlan

SCHEDULE = linspace_schedule(24)


class Counting:
    """A velocity that knows how often it was asked, for how many sounds, and about which prompts."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, x: Tensor, t: Tensor, prompts: Tensor) -> Tensor:
        assert len(x) == len(t) == len(prompts)
        self.rows.append(len(x))
        shift = prompts.reshape(-1, 1, 1).to(x)
        return torch.sin(x + shift) * t.reshape(-1, 1, 1)


def fast(start: int, tail: Tail | None = None) -> Route:
    noisy = range(start, start + 2)
    return route(SCHEDULE, StepPlan(noisy, tuple(noisy)), FlowSDE(), tail)


def make(routes: list[Route], branch: int, velocity=None, noisy: int = 2) -> Trajectory:
    generator = torch.Generator().manual_seed(0)
    starts = torch.randn(len(routes), 3, 5, generator=generator)
    z = torch.randn(len(routes) * branch, noisy, 3, 5, generator=generator)
    return rollout(velocity or Counting(), starts, torch.arange(len(routes)), z, routes, branch)


@pytest.mark.parametrize("start", range(13))
def test_a_fast_group_costs_what_the_formula_says(start: int):
    velocity = Counting()
    made = make([fast(start)], 8, velocity)
    assert made.evaluations == sum(velocity.rows) == start + 8 * (24 - start)
    assert made.evaluations / 8 == evaluations(fast(start), 8) == start / 8 + 24 - start
    assert made.t.shape == (8, 2)


def test_costs_are_those_of_the_published_table():
    """Spec rl.md section 2: sampling, then policy forward and backward."""
    assert sum(evaluations(fast(start), 8) for start in range(13)) / 13 == 18.375 + 0.375
    assert sum(evaluations(fast(start), 8) for start in (6, 2, 0, 3, 3, 9, 12, 5)) / 8 == 19.625
    plan = FLOW_GRPO.window.pick(24, Place(0, 0, 0))
    way = route(SCHEDULE, plan, FLOW_GRPO.dynamics)
    made = make([way] * 4, 1, noisy=24)
    assert made.evaluations / 4 == 24
    assert made.t.shape == (4, 23)
    assert len(FAST_GRPO.window.pick(24, Place(0, 0, 0)).trained) == 2


def test_a_second_order_tail_saves_most_of_what_is_left():
    way = fast(5, Tail(share=0.4))
    made = make([way], 8)
    assert made.evaluations == 5 + 8 * (2 + 7)
    assert [leg.number for leg in way.legs] == [0, 1, 2, 3, 4, 5, 6] + 7 * [-1]
    assert way.legs[-1].s_next == 0


def test_sounds_are_the_same_in_any_company():
    """Windows at different steps, tails of different lengths."""
    routes = [fast(0, Tail()), fast(7, Tail()), fast(12, Tail()), fast(7, Tail())]
    together = make(routes, 4)
    generator = torch.Generator().manual_seed(0)
    starts = torch.randn(4, 3, 5, generator=generator)
    z = torch.randn(16, 2, 3, 5, generator=generator)
    total = 0
    for prompt, way in enumerate(routes):
        members = slice(4 * prompt, 4 * prompt + 4)
        one = slice(prompt, prompt + 1)
        alone = rollout(Counting(), starts[one], torch.tensor([prompt]), z[members], [way], 4)
        for name in Trajectory._fields[:-1]:
            assert torch.equal(getattr(alone, name), getattr(together, name)[members]), name
        total += alone.evaluations
    assert together.evaluations == total


def test_members_share_their_path_until_the_window():
    made = make([fast(6)], 4)
    assert torch.equal(made.latents[0, 0], made.latents[3, 0])
    assert not torch.equal(made.latents[0, 1], made.latents[3, 1])
    assert not torch.equal(made.final[0], made.final[3])
    assert made.steps.tolist() == [[6, 7]] * 4


def test_what_is_kept_repeats_the_steps_that_were_taken():
    velocity, way = Counting(), fast(6)
    made = make([way, fast(9)], 4, velocity)
    v = velocity(made.latents[:, 1], made.t[:, 1], made.prompts)
    assert torch.equal(v, made.v_old[:, 1])
    step = way.legs[6].step
    first = transition(made.latents[:4, 0], made.v_old[:4, 0], step, made.z[:4, 0])
    torch.testing.assert_close(first, made.latents[:4, 1])
    torch.testing.assert_close(made.slope[:4, 0], torch.full((4,), step.v))
    torch.testing.assert_close(made.sd[:4, 0], torch.full((4,), step.sd))


def test_without_noise_a_rollout_is_the_sampler():
    way = route(SCHEDULE, StepPlan(range(0), ()), ODE())
    made = make([way], 1, noisy=0)
    start = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(0))
    expected = sample(lambda x, t: torch.sin(x) * t, start, time_grid(24))
    torch.testing.assert_close(made.final, expected)
    assert made.latents.shape == (1, 0, 3, 5)


def test_a_tail_is_of_second_order():
    """dx/ds = x s, so x(0) = x(1) exp(-1/2)."""

    def error(steps: int) -> float:
        way = route(linspace_schedule(steps), StepPlan(range(0), ()), ODE(), Tail(share=1.0))
        start = torch.ones(1, 1, 1, dtype=torch.float64)
        made = rollout(
            lambda x, t, _: x * t[:, None, None], start, torch.tensor([0]), torch.zeros(1, 0, 1, 1), [way]
        )
        return abs(made.final.item() - 0.6065306597126334)

    assert error(40) < 0.001
    assert error(20) / error(40) > 3


def test_kept_steps_become_items_of_their_sounds():
    made = make([fast(6), fast(9)], 4)
    items = step_items(made)
    assert items.sounds.tolist() == [sound for sound in range(8) for _ in range(2)]
    few = select(items, torch.tensor([15, 2]))
    assert few.sounds.tolist() == [7, 1]
    assert torch.equal(few.x[0], made.latents[7, 1])
    assert torch.equal(few.z[1], made.z[1, 0])
    assert few.prompts.tolist() == [1, 0]
    assert few.t.tolist() == [made.t[7, 1], made.t[1, 0]]


def test_finished_sounds_become_items_at_their_times():
    final, noise = torch.randn(2, 3, 5), torch.randn(2, 2, 3, 5)
    items = match_items(final, torch.tensor([4, 5]), torch.tensor([[0.0, 1.0], [0.5, 0.25]]), noise)
    assert torch.equal(items.x[0], final[0])
    assert torch.equal(items.x[1], noise[0, 1])
    torch.testing.assert_close(items.x[3], 0.75 * final[1] + 0.25 * noise[1, 1])
    assert items.sounds.tolist() == [0, 0, 1, 1]
    assert items.prompts.tolist() == [4, 4, 5, 5]


def test_routes_that_do_not_match_their_starts_are_refused():
    with pytest.raises(ValueError, match="equally|as many routes"):
        make([fast(3), route(SCHEDULE, StepPlan(range(3, 5), (3,)), FlowSDE())], 2)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_plans_a_path_to_the_data(name: str):
    algorithm = choose_algorithm(name)
    way = route(SCHEDULE, algorithm.window.pick(24, Place(0, 3, 5)), algorithm.dynamics, algorithm.tail)
    assert way.legs[0].s == 1
    assert way.legs[-1].s_next == 0
    assert all(leg.step.sd > 0 for leg in way.legs if leg.kept is not None)
    assert algorithm.branch(16) == {"fast-grpo": 8, "guarded-grpo": 8, "dance-grpo": 16, "mix-grpo": 16}.get(
        name, 1
    )


def test_a_group_that_does_not_divide_says_so():
    with pytest.raises(BadGroup, match="fast-grpo makes a group of 2 starts, and 15 sounds are not"):
        FAST_GRPO.branch(15)


def test_transitions_take_numbers_per_sound():
    x, v = torch.ones(2, 1, 1), torch.ones(2, 1, 1)
    columns = (torch.tensor(column)[:, None, None] for column in ([1.0, 2.0], [3.0, 4.0], [0.0, 0.5]))
    assert transition(x, v, Coefficients(*columns), x).flatten().tolist() == [4.0, 6.5]
