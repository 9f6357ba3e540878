"""Post-training a tiny flow: rewards rise, runs repeat and resume bit for bit, and failed rewards do no harm."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from mixture import PROMPTS, MixturePolicy, Nearness, pretrained
from torch import Tensor

from prismaudio.errors import UnknownChoice
from prismaudio.flow.sampler import sample, time_grid
from prismaudio.posttraining.algorithm import ALGORITHMS, FAST_GRPO, FLOW_GRPO, BadGroup
from prismaudio.posttraining.balance import BalanceConfig
from prismaudio.posttraining.config import Adapters, Guidance, PostTrainingConfig
from prismaudio.posttraining.lora import add_adapters, merge_adapters
from prismaudio.posttraining.route import evaluations
from prismaudio.posttraining.sampling import TooFewPrompts, choose_prompts, planned_route
from prismaudio.posttraining.team import Team, UnevenTeam
from prismaudio.posttraining.trainer import Trainer, UnusableRun
from prismaudio.posttraining.weights import Weights, old_decay

NO_GUIDANCE = Guidance(sampling=1, training=1, reference=1)


def config(**changes: object) -> PostTrainingConfig:
    values = {
        "prompts": PROMPTS,
        "group": 16,
        "steps": 12,
        "guidance": NO_GUIDANCE,
        "rewards": {"near": 1.0, "small": 0.1},
        "learning_rate": 2e-3,
        "reference_weight": 0.01,
        "sampling_batch": 96,
        "micro_batch": 256,
        "average_every": 2,
        **changes,
    }
    return PostTrainingConfig.model_validate(values)


def trainer(settings: PostTrainingConfig, judge=None, algorithm=None) -> Trainer:
    return Trainer(pretrained(), judge or Nearness(), PROMPTS, settings, algorithm)


@torch.no_grad()
def reward(policy: MixturePolicy) -> float:
    """Of finished sounds as a user makes them: without noise, from noise of no training iteration."""
    prompts = torch.arange(PROMPTS).repeat_interleave(100)
    noise = torch.randn(len(prompts), 2, 1, generator=torch.Generator().manual_seed(12345))
    angles = policy.conditions(range(PROMPTS))
    points = sample(lambda x, t: policy(x, t.expand(len(x)), angles, prompts, 1.0), noise, time_grid(24))
    return float(Nearness()(points, prompts.tolist())[:, 0].mean())


def weights(run: Trainer) -> dict[str, Tensor]:
    return Weights(run.policy).tensors


def equal(some: dict[str, Tensor], others: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, others[name]) for name, value in some.items())


@pytest.mark.parametrize("name", ALGORITHMS)
def test_rewards_rise(name: str):
    """Every algorithm by its name, everything else equal; the start model makes both modes equally often."""
    run = trainer(config(algorithm=name, learning_rate=3e-3))
    before = reward(run.policy)
    for _ in range(30):
        run.iterate()
    assert before == pytest.approx(0.49, abs=0.06)
    assert reward(run.policy) > before + 0.1


def test_fast_grpo_gets_there_for_less_than_flow_grpo():
    """Evaluations of the network in sampling and learning, a backward pass counted as two (spec rl.md section 2)."""
    spent, reached = {}, {}
    for algorithm in (FAST_GRPO, FLOW_GRPO):
        run = trainer(config(learning_rate=3e-3), algorithm=algorithm)
        log = [run.iterate() for _ in range(30)]
        trained = len(planned_route_of(run, 0, 0))
        spent[algorithm.name] = sum(entry["evaluations_per_sound"] + (3 + 1) * trained for entry in log)
        reached[algorithm.name] = reward(run.policy)
    assert spent["fast-grpo"] < spent["flow-grpo"] / 2.5
    assert reached["fast-grpo"] > reached["flow-grpo"] - 0.05


def planned_route_of(run: Trainer, iteration: int, prompt: int) -> list:
    legs = planned_route(run.algorithm, run.config, iteration, prompt).legs
    return [leg for leg in legs if leg.kept is not None]


def test_the_logged_cost_is_that_of_the_windows():
    run = trainer(config())
    for iteration in range(3):
        ways = [planned_route(FAST_GRPO, run.config, iteration, prompt) for prompt in range(PROMPTS)]
        assert len({way.fork for way in ways}) > 1
        expected = sum(evaluations(way, 8) for way in ways) / PROMPTS
        assert run.iterate()["evaluations_per_sound"] == pytest.approx(expected)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_resumed_run_is_the_run_bit_for_bit(name: str, tmp_path: Path):
    """4 iterations = 2 and, by another trainer from the same start, 2 more; whatever happens to global chance."""
    settings = config(algorithm=name, iterations=4, checkpoint_every=1)
    whole = trainer(settings)
    whole.run(tmp_path / "whole")
    torch.manual_seed(99)
    trainer(settings.model_copy(update={"iterations": 2})).run(tmp_path / "parts")
    with (tmp_path / "parts" / "log.jsonl").open("a") as file:
        file.write('{"iteration": 3, "of": "an iteration that was not saved"}\n')
    rest = trainer(settings)
    rest.run(tmp_path / "parts")
    assert equal(weights(whole), weights(rest))
    assert equal(whole.average.tensors, rest.average.tensors)
    assert not equal(weights(whole), Weights(pretrained()).tensors)
    logs = [(tmp_path / part / "log.jsonl").read_text() for part in ("whole", "parts")]
    assert logs[0] == logs[1]
    assert [json.loads(line)["iteration"] for line in logs[0].splitlines()] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "options", [{"adapters": Adapters(rank=2, alpha=4)}, {"balance": BalanceConfig(by="lagging")}]
)
def test_options_resume_bit_for_bit_too(options: dict[str, object], tmp_path: Path):
    settings = config(**options, iterations=4, checkpoint_every=1)
    whole = trainer(settings)
    whole.run(tmp_path / "whole")
    trainer(settings.model_copy(update={"iterations": 2})).run(tmp_path / "parts")
    rest = trainer(settings)
    rest.run(tmp_path / "parts")
    assert equal(weights(whole), weights(rest))


def test_batch_sizes_change_no_gradient():
    """As far as sums in another order are the same; the optimiser would magnify what is left."""
    runs = [trainer(config(updates=1, sampling_batch=a, micro_batch=b)) for a, b in ((96, 256), (32, 7))]
    gradients, logs = [], []
    for run in runs:
        run.optimizer.zero_grad = lambda: None  # keep them to be looked at
        logs.append(run.iterate())
        gradients.append(torch.cat([value.grad.flatten() for value in run.policy.parameters()]))
    assert (gradients[0] - gradients[1]).norm() < 1e-4 * gradients[0].norm()
    for name in ("near/mean", "loss", "gradient_norm", "evaluations_per_sound"):
        assert logs[1][name] == pytest.approx(logs[0][name], rel=1e-3, abs=1e-6), name


class TwoOf:
    """What a team of two would be told, for its first process."""

    num_processes, process_index = 2, 0


def test_a_team_needs_whole_groups_for_everyone():
    team = Team(TwoOf())
    assert team.share([7, 8, 9, 10]) == [7, 8]
    with pytest.raises(UnevenTeam, match="3 prompts per iteration cannot be shared by 2 processes"):
        team.share([7, 8, 9])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fast-grpo", "nft"])
def test_two_processes_learn_what_one_learns(name: str, tmp_path: Path):
    """The same gradient, up to the order of sums; both of the two the same, bit for bit."""
    settings = config(algorithm=name, iterations=2, micro_batch=16)
    (tmp_path / "config.toml").write_text(settings.to_toml())
    script = Path(__file__).parent / "run_in_team.py"
    for size in (1, 2):
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={size}"]
        subprocess.run([*launch, str(script), str(tmp_path)], check=True, capture_output=True, timeout=250)
    one, first, second = (
        torch.load(tmp_path / of) for of in ("of1/gradient0.pt", "of2/gradient0.pt", "of2/gradient1.pt")
    )
    assert torch.equal(first, second)
    assert (one - first).norm() < 1e-4 * one.norm()
    logs = [json.loads((tmp_path / of / "log.jsonl").read_text().splitlines()[0]) for of in ("of1", "of2")]
    assert logs[0].keys() == logs[1].keys()
    for key in ("near/mean", "small/spread", "evaluations_per_sound", "advantage_size"):
        assert logs[1][key] == pytest.approx(logs[0][key], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fast-grpo", "nft"])
def test_two_processes_that_share_a_policy_learn_what_one_learns(name: str, tmp_path: Path):
    """Sharded (FSDP), with uneven passes; what they save is whole, and one process goes on with it, or they do."""
    settings = config(algorithm=name, iterations=2, micro_batch=16, checkpoint_every=1)
    (tmp_path / "config.toml").write_text(settings.to_toml())
    alone = trainer(settings)
    alone.run(tmp_path / "alone")
    script = Path(__file__).parent / "run_in_team.py"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]

    def together(iterations: int) -> None:
        shared = settings.model_copy(update={"sharded": True, "iterations": iterations})
        (tmp_path / "config.toml").write_text(shared.to_toml())
        subprocess.run([*launch, str(script), str(tmp_path)], check=True, capture_output=True, timeout=250)

    together(1)
    first = torch.load(tmp_path / "of2" / "checkpoint.pt")
    one = trainer(settings)
    one.iterate()
    for kept, own in ((first["policy"], weights(one)), (first["average"], one.average.tensors)):
        assert all((kept[key] - value).norm() < 1e-3 * (1 + value.norm()) for key, value in own.items())
    together(2)
    last = torch.load(tmp_path / "of2" / "checkpoint.pt")
    assert (last["iteration"], last["steps"]) == (2, 4)
    logs = [(tmp_path / of / "log.jsonl").read_text().splitlines() for of in ("alone", "of2")]
    for own, theirs in zip(*logs, strict=True):
        for key in ("near/mean", "gradient_norm", "reference_kl", "evaluations_per_sound"):
            assert json.loads(theirs)[key] == pytest.approx(json.loads(own)[key], rel=2e-2, abs=1e-6), key
    (tmp_path / "of2" / "checkpoint.pt").rename(tmp_path / "checkpoint.pt")
    rest = trainer(settings.model_copy(update={"iterations": 3}))
    rest.run(tmp_path)
    assert rest.iteration == 3


def test_the_number_of_starts_can_be_chosen():
    """Of one start all sounds are one until the window begins, which is cheaper; and groups must be made of starts."""
    own, one = trainer(config()), trainer(config(starts=1))
    assert (own.algorithm.branch(16), one.algorithm.branch(16)) == (8, 16)
    assert one.iterate()["evaluations_per_sound"] < own.iterate()["evaluations_per_sound"]
    with pytest.raises(BadGroup, match="fast-grpo makes a group of 3 starts, and 16 sounds are not"):
        trainer(config(starts=3))


def test_a_single_process_shares_with_nobody():
    with pytest.raises(UnusableRun, match="nothing to split a single process over"):
        trainer(config(sharded=True))


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_the_first_update_is_on_policy_and_the_second_is_not(precision: str):
    """In half precision too, since the sounds are made in it."""
    one, two = (trainer(config(updates=updates, precision=precision)) for updates in (1, 2))
    assert one.iterate()["ratio_deviation"] < 1e-6
    assert two.iterate()["ratio_deviation"] > 1e-5
    assert (one.steps, two.steps) == (1, 2)


def test_rounding_teaches_nothing_where_nothing_was_learned_since():
    """Velocities that missed by more than the clip, as half precision does at high guidance: measured, and no more."""

    def learned(updates: int, missed: float) -> tuple[dict[str, Tensor], dict[str, float]]:
        run = trainer(config(updates=updates))
        made = run._sample(0, range(PROMPTS))
        noise = torch.randn(made.v_old.shape, generator=torch.Generator().manual_seed(1))
        items = run.update.items(made._replace(v_old=made.v_old + missed * noise), 0, range(PROMPTS), None)
        figures = run.update(items, torch.linspace(-1, 1, len(made.final)), 0)
        return weights(run), figures

    (exact, _), (once, figures) = learned(1, 0.0), learned(1, 1e-2)
    assert equal(exact, once)
    assert figures["ratio_deviation"] > 1e-3
    assert figures["clip_share"] == 0
    assert learned(2, 1e-2)[1]["clip_share"] > 0.1  # the second of two does need the clip


def test_the_average_moves_by_optimiser_steps():
    run = trainer(config(updates=3, average_every=4))
    start = Weights(run.policy).tensors
    run.iterate()
    assert equal(run.average.tensors, start)
    run.iterate()  # steps 4 to 6
    assert not equal(run.average.tensors, start)


class Failing:
    """`small` fails always, or now and then."""

    names = ("near", "small")

    def __init__(self, share: float) -> None:
        self.share = share

    def __call__(self, latents: Tensor, prompts: Sequence[int]) -> Tensor:
        rewards = Nearness()(latents, prompts)
        fails = torch.arange(len(rewards)) % 10 < 10 * self.share
        rewards[fails, 1] = float("nan")
        return rewards


@pytest.mark.parametrize("name", ["fast-grpo", "dance-grpo", "mix-grpo"])
def test_a_reward_that_always_fails_might_as_well_not_exist(name: str):
    failing = trainer(config(algorithm=name), Failing(1.0))
    without = trainer(config(algorithm=name, rewards={"near": 1.0, "small": 0.0}))
    log = failing.iterate()
    without.iterate()
    assert log["small/failed"] == 1.0
    assert equal(weights(failing), weights(without))


def test_rewards_that_fail_now_and_then_do_no_harm():
    run = trainer(config(learning_rate=3e-3), Failing(0.3))
    before = reward(run.policy)
    log = [run.iterate() for _ in range(30)]
    assert log[0]["small/failed"] == pytest.approx(0.3, abs=0.05)
    assert reward(run.policy) > before + 0.1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_reference_holds_the_policy_back(dtype: str):
    far, near = (
        trainer(
            config(
                algorithm="fast-grpo", reference_weight=weight, reference_dtype=dtype, reference_measure="v"
            )
        )
        for weight in (0.0, 30.0)
    )
    start = Weights(near.policy).tensors
    for _ in range(10):
        far.iterate()
        near.iterate()

    def moved(run: Trainer) -> float:
        return sum(float((value - start[name]).square().sum()) for name, value in weights(run).items())

    assert far.reference is None
    assert moved(near) < moved(far) / 2


def test_other_weights_at_work_leave_the_own_untouched():
    policy = pretrained()
    start, other = Weights(policy), Weights(policy)
    for tensor in other.tensors.values():
        tensor.mul_(2)

    def interrupted() -> None:
        with other.at_work(policy):
            assert equal(Weights(policy).tensors, other.tensors)
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        interrupted()
    assert equal(Weights(policy).tensors, start.tensors)


def test_adapters_are_silent_at_first_and_vanish_into_the_weights():
    policy, plain = pretrained(), pretrained()
    names = set(dict(policy.named_parameters()))
    add_adapters(policy, rank=2, alpha=4)
    assert reward(policy) == reward(plain)
    run = trainer(config(adapters=Adapters(rank=2, alpha=4)))
    run.iterate()
    run.iterate()
    adapted = reward(run.policy)
    assert adapted != reward(plain)
    frozen = run.policy.layers[0].parametrizations.weight.original
    assert torch.equal(frozen, plain.layers[0].weight)
    merge_adapters(run.policy)
    assert set(dict(run.policy.named_parameters())) == names
    assert reward(run.policy) == pytest.approx(adapted, abs=1e-5)


@pytest.mark.parametrize("adapters", [None, Adapters(rank=2, alpha=4)])
def test_a_finished_policy_is_plain_and_has_the_averaged_weights(adapters: Adapters | None):
    run = trainer(config(adapters=adapters))
    for _ in range(3):
        run.iterate()
    with run.average.at_work(run.policy):
        averaged = reward(run.policy)
    assert averaged != reward(run.policy)
    run.finish()
    assert set(run.policy.state_dict()) == set(pretrained().state_dict())
    assert reward(run.policy) == pytest.approx(averaged, abs=1e-5)


def test_prompts_take_turns():
    settings = config(prompts=2)
    for turn in range(3):
        seen = [prompt for i in range(3) for prompt in choose_prompts(6, settings, 3 * turn + i)]
        assert sorted(seen) == list(range(6))
    assert choose_prompts(6, settings, 0) != choose_prompts(6, settings, 3)
    with pytest.raises(TooFewPrompts, match="an iteration takes 2 prompts, got 1"):
        choose_prompts(1, settings, 0)


def test_a_run_of_other_settings_or_another_start_is_not_gone_on_with(tmp_path: Path):
    trainer(config(iterations=1)).run(tmp_path)
    with pytest.raises(UnusableRun, match="other settings"):
        trainer(config(iterations=1, seed=1)).run(tmp_path)
    moved = pretrained()
    with torch.no_grad():
        moved.told.bias.add_(1e-3)
    with pytest.raises(UnusableRun, match="another start model"):
        Trainer(moved, Nearness(), PROMPTS, config(iterations=1)).run(tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UnusableRun, match="cannot continue from"):
        trainer(config(iterations=1)).run(tmp_path)


def test_rewards_and_weights_must_have_the_same_names():
    with pytest.raises(UnusableRun, match="weights are given for far, near, rewards are near, small"):
        trainer(config(rewards={"near": 1.0, "far": 1.0}))
    with pytest.raises(UnknownChoice, match="unknown algorithm 'grpo'; choose one of: fast-grpo"):
        trainer(config(algorithm="grpo"))


def test_ratios_are_of_one_policy_and_its_guidance():
    mixed = Guidance(sampling=1, training=2, reference=1)
    with pytest.raises(UnusableRun, match="made with guidance 1 cannot be learned from with 2 by fast-grpo"):
        trainer(config(guidance=mixed))
    trainer(config(guidance=mixed, algorithm="awm"))  # asks for no ratio of a step


def test_the_defaults_are_the_published_recipe():
    published = PostTrainingConfig()
    assert (published.steps, published.group, published.reference_weight, published.learning_rate) == (
        24,
        16,
        0.04,
        1e-5,
    )
    assert published.rewards == {"semantic": 1.0, "temporal": 0.6, "aesthetic": 0.1, "spatial": 0.4}
    assert FAST_GRPO.branch(published.group) == 8
    assert (FAST_GRPO.dynamics.level, FAST_GRPO.window.width, FAST_GRPO.window.within) == (0.7, 2, 0.5)
    assert published.algorithm == FAST_GRPO.name


def test_nft_makes_its_sounds_with_a_copy_that_follows():
    """All of the way after the first iteration, 999 parts of 1000 after the second."""
    run = trainer(config(algorithm="nft"))
    run.iterate()
    first = Weights(run.policy).tensors
    assert equal(run.old.tensors, first)
    run.iterate()
    for name, value in weights(run).items():
        torch.testing.assert_close(run.old.tensors[name], 0.001 * first[name] + 0.999 * value)
        assert not torch.equal(run.old.tensors[name], value)


def test_the_old_policy_of_nft_slows_down():
    assert [old_decay(n) for n in (0, 100, 5000)] == [0.0, 0.1, 0.5]
