"""Fused elementwise operations: the definitions, the forms that save memory, and the Triton kernels when they can run."""

import importlib.util
import os

import pytest
import torch
from torch import Tensor, nn

from prismaudio.models import kernels
from prismaudio.models.embeddings import Rotary

INTERPRETED = importlib.util.find_spec("triton") is not None and os.environ.get("TRITON_INTERPRET") == "1"
triton_runs = pytest.mark.skipif(not INTERPRETED, reason="needs triton and TRITON_INTERPRET=1")
DTYPES = (torch.float32, torch.bfloat16)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rotation(length: int, head_width: int) -> Tensor:
    return Rotary(head_width)(length, torch.device("cpu"))


def parts(dtype: torch.dtype, clips: int, length: int, heads: int, width: int) -> tuple[Tensor, list[Tensor]]:
    """Packed queries, keys and values, of which the first two are looked at; weights of two kinds."""
    packed = normal(clips, length, 3 * heads * width).to(dtype)[..., : 2 * heads * width]
    return packed, [(1 + 0.3 * normal(width, seed=seed)).to(dtype) for seed in (1, 2)]


def norm_of(width: int, dtype: torch.dtype) -> nn.LayerNorm:
    norm = nn.LayerNorm(width, bias=False)
    nn.init.normal_(norm.weight, 1, 0.3, generator=torch.Generator().manual_seed(5))
    return norm.to(dtype).requires_grad_(False)


def agree(ours: Tensor, expected: Tensor) -> None:
    """Once rounded, they may differ by a unit in the last place; bfloat16 has 8 bits."""
    assert ours.dtype == expected.dtype
    tolerance = 2**-7 if ours.dtype == torch.bfloat16 else 2e-5
    torch.testing.assert_close(ours, expected, rtol=tolerance, atol=tolerance)


def test_snake_is_its_formula():
    x, alpha, beta = normal(2, 3, 7).double(), normal(3, seed=1).double(), normal(3, seed=2).double()
    expected = x + torch.sin(alpha.exp()[:, None] * x) ** 2 / beta.exp()[:, None]
    torch.testing.assert_close(kernels.snake(x, alpha, beta), expected)


def test_snake_keeps_its_phase_in_half_precision():
    """Phases of tens of radians, which bfloat16 knows to a tenth."""
    half = [normal(1, 4, 500).bfloat16(), torch.full((4,), 3.0).bfloat16(), torch.zeros(4).bfloat16()]
    exact = kernels.snake(*(tensor.float() for tensor in half))
    assert (kernels.snake(*half).float() - exact).norm() < 2**-8 * exact.norm()


def test_heads_of_nothing_stay_nothing():
    """The keys of zero conditions: a division by their length would be nan."""
    packed, ones = torch.zeros(1, 2, 64), [torch.ones(32)] * 2
    assert all(not heads.any() for heads in kernels.head_norms(packed, ones, 1, None))


def test_inference_gives_what_training_sees():
    """The forms in place are used without gradients only."""
    x, alpha, beta = normal(2, 6, 5), normal(6, seed=1), normal(6, seed=2)
    (packed, weights), turn = parts(torch.float32, 2, 5, 3, 40), rotation(5, 40)
    for tensor in (x, alpha, beta, packed, *weights):
        tensor.requires_grad_()
    trained = [
        kernels.snake(x, alpha, beta),
        *kernels.head_norms(packed, weights, 3, turn),
        kernels.gate(x.mT),
    ]
    with torch.no_grad():
        ours = [
            kernels.snake(x, alpha, beta),
            *kernels.head_norms(packed, weights, 3, turn),
            kernels.gate(x.mT),
        ]
    for a, b in zip(ours, trained, strict=True):
        assert b.requires_grad
        agree(a, b.detach())


def test_inference_leaves_its_arguments_alone():
    x, alpha = normal(2, 4, 6), normal(4, seed=1)
    (packed, weights), norm = parts(torch.float32, 2, 4, 2, 32), norm_of(6, torch.float32)
    before = [tensor.clone() for tensor in (x, packed, alpha, *weights)]
    kernels.snake(x, alpha, alpha)
    kernels.head_norms(packed, weights, 2, rotation(4, 32))
    kernels.gate(x)
    kernels.add_norm(x, x, norm)
    assert all(torch.equal(a, b) for a, b in zip(before, (x, packed, alpha, *weights), strict=True))


def test_a_gradient_reaches_everything():
    x, alpha, beta = normal(1, 4, 6).double(), normal(4, seed=1).double(), normal(4, seed=2).double()
    inputs = [tensor.requires_grad_() for tensor in (x, alpha, beta)]
    assert torch.autograd.gradcheck(kernels.snake, inputs)


@pytest.mark.parametrize("turned", [False, True])
def test_heads_are_of_length_one_and_turned_by_their_position(turned: bool):
    packed, weights = parts(torch.float32, 1, 4, 2, 64)
    ones = [torch.ones(64)] * 2
    q, k = kernels.head_norms(packed, ones, 2, rotation(4, 64) if turned else None)
    assert q.shape == k.shape == (1, 2, 4, 64)
    for head in (q, k):
        torch.testing.assert_close(head.square().mean(-1), torch.ones(1, 2, 4))
    same_place = packed[:, 2, 64:128] / packed[:, 2, 64:128].square().mean().sqrt()
    assert torch.allclose(q[:, 1, 2], same_place, atol=1e-5) is not turned
    torch.testing.assert_close(q[:, 1, 2, 32:], same_place[:, 32:])
    weighted = kernels.head_norms(packed, weights, 2, None)
    plain = kernels.head_norms(packed, ones, 2, None)
    for kind in range(2):
        torch.testing.assert_close(weighted[kind], plain[kind] * weights[kind])


def test_the_residual_stream_may_be_finer_than_the_weights():
    x, branch, norm = normal(2, 3, 8), normal(2, 3, 8, seed=1).bfloat16(), norm_of(8, torch.bfloat16)
    added, normed = kernels.add_norm(x, branch, norm)
    assert added.dtype == torch.float32
    assert normed.dtype == torch.bfloat16
    assert torch.equal(added, x + branch.float())


def test_a_branch_may_belong_to_the_first_clips_alone():
    x, branch, norm = normal(3, 2, 8), normal(1, 2, 8, seed=1), norm_of(8, torch.float32)
    added, normed = kernels.add_norm(x, branch, norm)
    assert torch.equal(added[1:], x[1:])
    assert torch.equal(added[:1], x[:1] + branch)
    torch.testing.assert_close(normed, norm(added))


def test_without_a_gpu_the_definitions_run():
    assert kernels.backend(torch.device("cpu")) == "plain"
    assert not kernels.fusible(torch.zeros(1))


@triton_runs
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 1025), (3, 5, 2048), (1, 7, 4000)])
def test_the_snake_kernel_is_its_definition(dtype: torch.dtype, shape: tuple[int, int, int]):
    from prismaudio.models import triton_kernels

    x, alpha, beta = (
        (3 * normal(*s, seed=i)).to(dtype) for i, s in enumerate((shape, shape[1:2], shape[1:2]))
    )
    alpha, beta = alpha / 6, beta / 6
    agree(triton_kernels.snake(x, alpha, beta), kernels.snake(x, alpha, beta))


@triton_runs
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("heads", "width"), [(2, 64), (3, 32), (5, 40), (1, 96), (6, 128)])
@pytest.mark.parametrize("turned", [False, True])
def test_the_kernel_of_heads_is_its_definition(dtype: torch.dtype, heads: int, width: int, turned: bool):
    from prismaudio.models import triton_kernels

    packed, weights = parts(dtype, 2, 7, heads, width)
    turn = rotation(7, width) if turned else None
    for ours, expected in zip(
        triton_kernels.head_norms(packed, weights, heads, turn),
        kernels.head_norms(packed, weights, heads, turn),
        strict=True,
    ):
        agree(ours, expected)
    (queries,) = triton_kernels.head_norms(packed[..., : heads * width], weights[1:], heads, turn)
    agree(queries, kernels.head_norms(packed[..., : heads * width], weights[1:], heads, turn)[0])


@triton_runs
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 2), (2, 3, 10), (1, 5, 2 * 1025), (2, 1, 2 * 2048)])
def test_the_gate_kernel_is_its_definition(dtype: torch.dtype, shape: tuple[int, int, int]):
    from prismaudio.models import triton_kernels

    x = (3 * normal(*shape)).to(dtype)
    expected = kernels.gate(x.float()).to(dtype)
    agree(triton_kernels.gate(x), expected)


@triton_runs
@pytest.mark.parametrize("stream", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [1, 24, 192, 1000])
@pytest.mark.parametrize("branch_clips", [None, 1, 3])
def test_the_kernel_of_addition_and_norm_is_its_definition(
    stream: torch.dtype, dtype: torch.dtype, width: int, branch_clips: int | None
):
    from prismaudio.models import triton_kernels

    x, norm = (2 + normal(3, 4, width)).to(stream), norm_of(width, dtype)
    branch = None if branch_clips is None else normal(branch_clips, 4, width, seed=1).to(dtype)
    added, normed = triton_kernels.add_norm(x, branch, norm.weight, norm.eps)
    expected = x if branch is None else kernels.add_first(x.float(), branch.float()).to(stream)
    agree(added, expected)
    exact = norm_of(width, dtype).float()(added.float()).to(dtype)
    agree(normed, exact)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
def test_on_a_gpu_the_kernels_stand_in_for_the_definitions(dtype: torch.dtype):
    assert kernels.backend(torch.device("cuda")) == "triton"
    (packed, weights), norm = parts(dtype, 2, 195, 16, 64), norm_of(1024, dtype)
    x, turn = normal(2, 195, 1024).to(dtype), rotation(195, 64)
    alpha = (0.3 * normal(195)).to(dtype)

    def all_of_them(device: str) -> list[Tensor]:
        there = packed.to(device)
        return [
            kernels.snake(x.to(device), alpha.to(device), alpha.to(device)),
            *kernels.head_norms(there, [weight.to(device) for weight in weights], 16, turn.to(device)),
            kernels.gate(x.to(device)),
            *kernels.add_norm(x.float().to(device), x[:1].to(device), norm.to(device)),
        ]

    for ours, expected in zip(all_of_them("cuda"), all_of_them("cpu"), strict=True):
        agree(ours.cpu(), expected)
