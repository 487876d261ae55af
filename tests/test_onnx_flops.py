"""FLOPs of ONNX graphs, held against closed forms and torch's counter."""

import warnings
from pathlib import Path
from typing import Any

import pytest

onnx = pytest.importorskip("onnx")
from hwbench.dialects import onnx_flops  # noqa: E402
from hwbench.dialects.onnx_flops import counted  # noqa: E402


def graph(
    op: str, given: dict[str, tuple[int, ...]], out: tuple[int, ...], domain: str = "", **more: Any
) -> Any:
    """Return a graph of one operator; its output's sizes are told."""
    kinds = onnx.TensorProto
    values = [onnx.helper.make_tensor_value_info(n, kinds.FLOAT, s) for n, s in given.items()]
    made = onnx.helper.make_tensor_value_info("out", kinds.FLOAT, out)
    node = onnx.helper.make_node(op, list(given), ["out"], domain=domain, **more)
    opsets = [onnx.helper.make_opsetid("", 23), onnx.helper.make_opsetid("com.microsoft", 1)]
    return onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", values, [made]), opset_imports=opsets
    )


MS = "com.microsoft"


@pytest.mark.parametrize("model, flops", [
    # seq 5, batch 2, input 3, hidden 4: 4 gates, each step (3 + 4) x 4 products
    (graph("LSTM", {"x": (5, 2, 3), "w": (1, 16, 3), "r": (1, 16, 4)}, (5, 1, 2, 4), hidden_size=4),
     2 * 5 * 2 * 16 * (3 + 4)),
    (graph("GRU", {"x": (5, 2, 3), "w": (2, 12, 3), "r": (2, 12, 4)}, (5, 2, 2, 4), hidden_size=4,
           direction="bidirectional"), 2 * 5 * 2 * 2 * 12 * (3 + 4)),
    # 2 heads of 8: 6 queries by 7 keys, then 6 x 7 weights by values of 8
    (graph("Attention", {"q": (3, 2, 6, 8), "k": (3, 2, 7, 8), "v": (3, 2, 7, 8)}, (3, 2, 6, 8)),
     2 * 3 * 2 * 6 * 7 * (8 + 8)),
    (graph("MultiHeadAttention", {"q": (3, 6, 16), "k": (3, 7, 16), "v": (3, 7, 16)}, (3, 6, 16),
           MS, num_heads=2), 2 * 3 * 6 * 7 * (16 + 16)),
    # the projection to queries, keys, values of 16 each, then as above
    (graph("Attention", {"x": (3, 6, 16), "w": (16, 48), "b": (48,)}, (3, 6, 16), MS, num_heads=2),
     2 * 3 * 6 * 16 * 48 + 2 * 3 * 6 * 6 * (16 + 16)),
    (graph("Einsum", {"a": (2, 3, 4), "b": (4, 5)}, (2, 3, 5), equation="bij,jk->bik"),
     2 * 2 * 3 * 4 * 5),
    (graph("MatMulNBits", {"x": (2, 32), "w": (8, 1, 16), "s": (8,)}, (2, 8), MS, K=32, N=8,
           bits=4, block_size=32), 2 * 2 * 8 * 32),
    (graph("Gemm", {"a": (4, 3), "b": (4, 5)}, (3, 5), transA=1), 2 * 3 * 4 * 5),
])  # fmt: skip
def test_flops_are_those_of_the_closed_form(model: Any, flops: int) -> None:
    assert counted(onnx, model, {}) == (flops, None)


def test_what_shapes_do_not_tell_is_unknown() -> None:
    odd = graph("Whirl", {"x": (2, 3)}, (2, 3), "acme")
    assert counted(onnx, odd, {}) == (None, "Whirl is not counted")
    plain = graph("Relu", {"x": (2, 3)}, (2, 3))
    assert counted(onnx, plain, {}) == (None, "it has no product and no convolution")
    dots = graph("Einsum", {"a": (2, 3, 4), "b": (4, 5)}, (2, 3, 5), equation="...ij,jk->...ik")
    assert counted(onnx, dots, {})[0] is None


def test_every_counted_operator_is_one_of_onnx_or_of_onnxruntime() -> None:
    ort = pytest.importorskip("onnxruntime")
    standard = {s.name for s in onnx.defs.get_all_schemas()}
    described = getattr(ort.capi.onnxruntime_pybind11_state, "get_all_operator_schema", None)
    if described is None:
        pytest.skip("this onnxruntime does not tell its operators")
    known = standard | {s.name for s in described()}
    assert set(onnx_flops.COUNTS) <= known


@pytest.mark.parametrize("kind", ["LSTM", "TransformerEncoderLayer"])
def test_flops_of_an_export_are_those_that_torch_counts(kind: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from hwbench.dialects import torch_flops

    if kind == "LSTM":
        module, x = torch.nn.LSTM(6, 8, batch_first=True), torch.randn(2, 5, 6)
    else:
        module = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        x = torch.randn(2, 5, 16)
    module.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (x,), str(tmp_path / "m.onnx"), dynamo=True, verbose=False)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            wanted = torch_flops.counted(torch, lambda: module(x)).total
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    found, why = counted(onnx, onnx.load(str(tmp_path / "m.onnx")), {})
    assert (found, why) == (wanted, None)
