"""h2d_copy: a copy is made, each time, and it is not the input itself."""

from typing import Any

import numpy as np
import pytest

from hwbench import registry
from hwbench.case import Case
from hwbench.check import kernel_error
from hwbench.dialects import torch_device

COPY = registry.kernels()["h2d_copy"]
N = 2**16
PAGE_BYTES = 4096
RUNTIMES = ("torch", "jax", "onnxruntime")


def host_array(offset: int = 0) -> Any:
    """Return float32 numbers `offset` bytes behind the start of a page."""
    raw = np.empty(4 * N + 2 * PAGE_BYTES, dtype=np.uint8)
    start = -raw.ctypes.data % PAGE_BYTES + offset
    x = raw[start : start + 4 * N].view(np.float32)
    x[:] = np.random.default_rng(3).standard_normal(N)
    return x


@pytest.mark.parametrize("offset", [0, 16, 64])
def test_jax_does_not_alias_the_input(offset: int) -> None:
    """Left alone, it takes an array that lies on a multiple of 64 bytes as its own."""
    jax = pytest.importorskip("jax")
    assert COPY.build_jax is not None
    x, device = host_array(offset), jax.devices("cpu")[0]
    copy = COPY.build_jax({"n": N}, "float32")
    y = copy(device, x)
    z = copy(device, x)
    kept = x.copy()
    jax.block_until_ready((y, z))
    addresses = {y.unsafe_buffer_pointer(), z.unsafe_buffer_pointer(), x.ctypes.data}
    x[:] = 7.0
    assert len(addresses) == 3
    np.testing.assert_array_equal(np.asarray(y), kept)
    assert y.devices() == {device}


def test_torch_copies_into_one_array_that_is_not_the_input() -> None:
    torch = pytest.importorskip("torch")
    assert COPY.build_torch is not None
    copy = COPY.build_torch({"n": N}, "float32")
    x = torch.from_numpy(host_array())
    y = copy(torch.device("cpu"), x)
    assert y.data_ptr() != x.data_ptr()
    kept = x.clone()
    x.fill_(7.0)
    assert torch.equal(y, kept)
    again = copy(torch.device("cpu"), x)
    assert again.data_ptr() == y.data_ptr()
    assert bool((again == 7.0).all())


def test_torch_writes_where_it_is_told() -> None:
    torch = pytest.importorskip("torch")
    assert COPY.build_torch is not None
    y = COPY.build_torch({"n": N}, "float32")(torch.device("meta"), torch.ones(N))
    assert y.device.type == "meta"


def test_onnxruntime_copies_where_input_and_output_are_bound() -> None:
    ort = pytest.importorskip("onnxruntime")
    assert COPY.build_onnx is not None
    model = COPY.build_onnx({"n": N}, "float32").SerializeToString()
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    x, y = (ort.OrtValue.ortvalue_from_numpy(a, "cpu", 0) for a in (host_array(), np.zeros(N, "f")))
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", x)
    binding.bind_ortvalue_output("y", y)
    session.run_with_iobinding(binding)
    assert x.data_ptr() != y.data_ptr()
    np.testing.assert_array_equal(y.numpy(), host_array())
    x.update_inplace(np.full(N, 7.0, dtype=np.float32))
    session.run_with_iobinding(binding)
    assert (y.numpy() == 7.0).all()


@pytest.mark.parametrize("dtype", COPY.dtypes)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_step_copies_what_is_there_bit_by_bit(runtime: str, dtype: str) -> None:
    pytest.importorskip(runtime)
    case = Case(
        kind="kernel",
        name="h2d_copy",
        version=COPY.version,
        phase="forward",
        scenario="hot",
        runtime=runtime,
        device="cpu",
        dtype=dtype,
        shape={"n": N},
    )
    plugin = registry.runtimes()[runtime]
    if reason := plugin.supports(case):
        pytest.skip(reason)
    program = plugin.prepare_kernel(COPY, case, np.random.default_rng(1))
    for seed in (2, 3):
        program.renew(np.random.default_rng(seed))
        answer = program.answer(1)
        drawn = COPY.inputs({"n": N}, np.random.default_rng(seed))[0]
        np.testing.assert_allclose(answer.inputs[0], drawn, rtol=2**-8)  # bfloat16's half step
        assert kernel_error(COPY, case.shape, "forward", answer) == 0.0


def test_page_locked_memory_is_asked_for_on_cuda_alone() -> None:
    class Tensor:
        def pin_memory(self) -> str:
            return "locked"

    torch = pytest.importorskip("torch")
    x: Any = Tensor()
    assert torch_device.in_host_memory([x], torch.device("cuda:0")) == ("locked",)
    assert torch_device.in_host_memory([x], torch.device("cpu")) == (x,)


def test_it_moves_bytes_and_computes_nothing() -> None:
    """A copy test would state n elements of 4 bytes a transfer: half of what is counted here."""
    assert COPY.flops is None and COPY.backward_flops is None
    assert COPY.work({"n": 1000}, "forward", "float32") == (None, 2 * 4000)
    assert COPY.work({"n": 1000}, "forward", "float16") == (None, 2 * 2000)
