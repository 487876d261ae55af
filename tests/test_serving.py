"""`hwbench serving`: passes token by token, how they grow, continuous batching, dollars."""

import itertools
import json
import math
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwbench import (
    arrivals,
    codec,
    plot,
    registry,
    report,
    report_words,
    serve_tokens,
    serving_view,
    token_costs,
    token_figures,
    token_fits,
    token_lengths,
    token_places,
    token_sim,
)
from hwbench.child import ChildFailed
from hwbench.cli import status_of
from hwbench.errors import BadInput, HwbenchError
from hwbench.estimate_value import Estimate
from hwbench.protocol import Reply
from hwbench.serve_tokens import Options
from hwbench.token_sim import Asked
from hwbench.tokens import DecodePoint, Generate, PrefillPoint, ServingFile, TokenTimes
from tests import fakes

GENERATING = [
    n for n, net in sorted(registry.networks().items.items())
    if n in ("gpt2_small_small", "llama_1b_small", "llama_8b_small", "qwen_moe_30b_a3b_small")
]  # fmt: skip


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)


# --- token by token ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENERATING)
def test_each_token_has_the_logits_of_the_whole_sequence(name: str) -> None:
    """Requests of different lengths in one batch, one of them moved to another slot on the way."""
    torch = pytest.importorskip("torch")
    from hwbench.dialects.torch import network
    from hwbench.dialects.torch_decoding import Engine

    net = registry.networks()[name]
    config = net.variant.config
    decoding = net.workload.decoding
    assert decoding is not None
    with torch.inference_mode():
        model = network(torch, net.workload, config).double().eval()
        ids = torch.from_numpy(net.workload.inputs(config, 3, np.random.default_rng(0))[0])
        whole, limit = model(ids), ids.shape[1]
        scale = whole.abs().max()
        engine = Engine(torch, decoding(config, model, limit), 4, limit, torch.float64, "cpu")
        lengths = [5, 9, 3]
        for slot, n in enumerate(lengths):
            found = engine.prefill(slot, ids[slot : slot + 1, :n])
            assert (found[0] - whole[slot, n - 1]).abs().max() < 1e-12 * scale
        rows = [0, 1, 2]
        for step in range(8):
            if step == 4:  # the first is over, and the last takes its place
                engine.move(2, 0, lengths[2] + step)
                rows = [2, 1]
            at = torch.tensor([lengths[r] + step for r in rows])
            given = torch.stack([ids[r, p] for r, p in zip(rows, at, strict=True)])
            found = engine.decode(given, at, int(at.max()) + 1)
            for slot, (r, p) in enumerate(zip(rows, at, strict=True)):
                assert (found[slot] - whole[r, p]).abs().max() < 1e-12 * scale


# --- how passes grow -----------------------------------------------------------------------------


def test_prompts_are_fitted_as_scipys_nonnegative_least_squares_does() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(3)
    points = [PrefillPoint(tokens=n, rounds_s=(1.0,)) for n in (16, 64, 128, 512)]
    for truth in ((0.01, 2e-4, 1e-7), (0.0, 1e-3, 0.0), (0.02, 0.0, 3e-7)):
        times = [
            float((truth[0] + truth[1] * p.tokens + truth[2] * p.tokens**2)
            * (1 + 0.03 * rng.standard_normal()))
            for p in points
        ]  # fmt: skip
        found = token_fits.prefill(points, times)
        rows = np.array([[1, p.tokens, p.tokens**2] for p in points]) / np.array(times)[:, None]
        scale = rows.max(axis=0)
        wanted, norm = optimize.nnls(rows / scale, np.ones(4))
        assert (found.a_s, found.b_s, found.c_s) == pytest.approx(tuple(wanted / scale), abs=1e-12)
        assert found.residual_frac == pytest.approx(norm / 2, abs=1e-9)


def times_of(
    prefill: Any = lambda n: 0.002 * n, decode: Any = lambda b, n: 0.02 + 0.002 * b + 1e-6 * b * n
) -> TokenTimes:
    """Return what a child would measure of these times, the rounds one percent apart."""
    rounds = (0.99, 1.0, 1.01)
    return TokenTimes(
        prefill=tuple(
            PrefillPoint(tokens=n, rounds_s=tuple(r * prefill(n) for r in rounds))
            for n in (32, 64, 128)
        ),
        decode=tuple(
            DecodePoint(batch_size=b, context=n, rounds_s=tuple(r * decode(b, n) for r in rounds))
            for b in (1, 2, 4, 8) for n in (33, 192)
        ),
        weights_bytes=400_000_000,
        cache_bytes_per_token=73_728,
        copy_bytes_per_s=4e10,
        product_flops_per_s=2e11,
        peak_bytes=10**9,
    )  # fmt: skip


def test_a_pass_is_told_at_batches_and_contexts_between_those_measured() -> None:
    pooled = token_figures.fits(times_of()).pooled
    for b, n in ((1, 33), (8, 192), (3, 100), (6, 150)):
        assert pooled.decode.seconds(b, n) == pytest.approx(0.02 + 0.002 * b + 1e-6 * b * n)
    assert pooled.prefill.seconds(100) == pytest.approx(0.2)

    def steps(b: int, n: int) -> float:
        return {1: 0.04, 2: 0.08, 4: 0.05, 8: 0.06}[b]  # as kernels do: no line goes through

    assert token_figures.fits(times_of(decode=steps)).pooled.decode.seconds(3, 50) == pytest.approx(
        0.065
    )


# --- continuous batching -------------------------------------------------------------------------


def test_a_request_alone_takes_its_prompt_and_its_tokens() -> None:
    done = token_sim.simulate(
        [Asked(at_s=5.0, prompt=100, output=11)], 4, lambda n: n / 1000, lambda b, n: 0.01
    )
    (only,) = done.answers
    assert only.first_token_s == pytest.approx(0.1) and only.latency_s == pytest.approx(0.2)
    assert only.token_s == pytest.approx(0.01)
    assert (done.passes, done.mean_batch) == (10, 1.0)
    assert done.wall_s == pytest.approx(0.2)


def test_requests_share_passes_and_prompts_hold_the_others_up() -> None:
    asked = [Asked(at_s=0.0, prompt=10, output=3), Asked(at_s=0.0, prompt=10, output=3)]
    done = token_sim.simulate(asked, 2, lambda n: 1.0, lambda b, n: 0.1)
    first, second = done.answers
    assert (first.first_s, second.first_s) == (1.0, 2.0)  # the second prompt comes before a token
    assert first.last_s == second.last_s == pytest.approx(2.2)
    one = token_sim.simulate(asked, 1, lambda n: 1.0, lambda b, n: 0.1)
    assert one.answers[1].first_s == pytest.approx(2.2)  # no slot is free before
    contexts: list[float] = []

    def seen(batch: float, context: float) -> float:
        contexts.append(context)
        return 0.1

    token_sim.simulate(asked[:1], 1, lambda n: 1.0, seen)
    assert contexts == [11, 12]  # a token sees the prompt and itself


def test_waiting_is_that_of_the_queue_with_one_server() -> None:
    """M/D/1: answers of one token in one slot wait rho s / (2 (1 - rho)) in the mean."""
    service, rho, n = 0.5, 0.7, 20_000
    starts = itertools.accumulate(itertools.islice(arrivals.gaps(rho / service, (7,)), n))
    asked = [Asked(at_s=at, prompt=1, output=1) for at in starts]
    done = token_sim.simulate(asked, 1, lambda tokens: service, lambda b, c: 1.0)
    wait = sum(a.latency_s for a in done.answers) / n - service
    assert wait == pytest.approx(rho * service / (2 * (1 - rho)), rel=0.08)
    assert done.busy_s / done.wall_s == pytest.approx(rho, rel=0.03)


@pytest.mark.parametrize(("q", "wanted"), [(0.5, 2), (0.9, 4), (0.51, 3), (0.01, 1), (1.0, 4)])
def test_a_percentile_is_the_nearest_rank(q: float, wanted: int) -> None:
    assert token_sim.percentile([4, 1, 3, 2], q) == wanted


# --- lengths and dollars -------------------------------------------------------------------------


def test_lengths_are_drawn_with_the_mean_that_is_told() -> None:
    rng = random.Random(1)
    found = token_lengths.parse("--prompt", "16-1024")
    drawn = [found.drawn(rng) for _ in range(20_000)]
    assert min(drawn) >= 16 and max(drawn) <= 1024
    assert sum(drawn) / len(drawn) == pytest.approx(found.mean, rel=0.02)
    assert found.mean == pytest.approx((1024 - 16) / math.log(64))
    assert token_lengths.parse("--prompt", "7").drawn(rng) == 7
    for text in ("0", "a", "9-3", "-5", "1-2-3"):
        with pytest.raises(BadInput, match="no number of tokens"):
            token_lengths.parse("--prompt", text)


def test_a_million_tokens_cost_what_the_hours_do() -> None:
    most = Estimate(point=2.0, low=1.6, high=2.5, level=0.9)
    full = token_costs.cost(3.6, 2.0, None, most, 500.0, 100.0)
    assert full is not None
    # 2 requests/s of 500 tokens: 3.6 M an hour, for 3.6 dollars
    assert full.usd_per_m_tokens.point == pytest.approx(1.0)
    assert full.usd_per_m_output_tokens.point == pytest.approx(5.0)
    assert full.break_even_tokens_per_month == pytest.approx(3.6 * 730 / 2 * 1e6)
    assert full.within_reach is True
    # The machine's own speed is what is not known.
    ends = full.usd_per_m_tokens.low, full.usd_per_m_tokens.high
    assert ends == pytest.approx((0.8, 1.25)) and full.requests_per_s == 2.0
    cheap = token_costs.cost(3.6, 0.5, None, most, 500.0, 100.0)
    assert cheap is not None and cheap.within_reach is False
    assert token_costs.cost(None, None, None, most, 500.0, 100.0) is None


# --- the verb ------------------------------------------------------------------------------------


class OneChild:
    """A child that answers with times, or with what it was given to say."""

    number, ended = 0, False

    def __init__(self, reply: Any) -> None:
        self.reply, self.asked = reply, []  # type: ignore[var-annotated]

    def __call__(self, number: int, threads: int, environment: Any) -> "OneChild":
        return self

    def ask(self, verb: str, request: Any, timeout_s: float, tick: Any = None) -> Reply:
        self.asked.append((verb, request))
        if isinstance(self.reply, Exception):
            raise self.reply
        if isinstance(self.reply, Reply):
            return self.reply
        return Reply(ok=True, result=codec.encode(self.reply))

    def end(self) -> None:
        self.ended = True


ASKED = Options(workload="gpt2_small", prompt="32-128", output="64", batch_sizes=(1, 2, 4, 8))


def test_what_was_measured_tells_loads_bounds_and_dollars() -> None:
    child = OneChild(times_of())
    asked = replace(
        ASKED, latency_bound_s=4.0, usd_per_h=0.5, hosted_usd_per_m=3.0, requests_per_s=(1.0, 99.0)
    )
    found = serve_tokens.serve(asked, spawn=child)
    ((verb, request),) = child.asked
    assert verb == "generate" and child.ended
    assert len(request.prompts) == 6 and 32 <= request.prompts[0] < request.prompts[-1] <= 128
    assert request.contexts == (request.prompts[0] + 1, 192)
    assert found.prefill.b_s == pytest.approx(0.002)
    light, heavy = found.loads
    assert light.keeps_up and not heavy.keeps_up
    assert light.latency_s["p50"].point < light.latency_s["p90"].point
    assert light.latency_s["p90"].low < light.latency_s["p90"].point < light.latency_s["p90"].high
    assert heavy.latency_s["p90"].point > 10 * light.latency_s["p90"].point
    best = found.best_within_bound
    assert best is not None and best.latency_s["p90"].point <= 4.0
    assert best.requests_per_s <= found.most_requests_per_s.point
    assert found.most_requests_per_s.low < found.most_requests_per_s.point
    assert found.cost is not None and found.cost.requests_per_s == pytest.approx(
        found.most_requests_per_s.point
    )  # 99 a second are too many: it is full
    row = found.batches[-1]
    assert row.tokens_per_s.point == pytest.approx(8 / row.token_s.point)
    read = 400_000_000 + 8 * 112.5 * 73_728
    assert row.bandwidth_frac == pytest.approx(read / row.token_s.point / 4e10)
    text = serving_view.text(found)
    assert max(map(len, text.splitlines())) <= 100
    assert "(too many)" in text and "simulated from these passes" in text
    assert "a million tokens" in text and "energy: null" in text
    never = serve_tokens.serve(replace(ASKED, latency_bound_s=0.1), spawn=OneChild(times_of()))
    assert never.best_within_bound is None and "to itself" in (never.bound_reason or "")
    assert "at no rate" in serving_view.text(never) and never.cost is None


@pytest.mark.parametrize(("options", "said"), [
    (replace(ASKED, workload="resnet18"), "does not generate text"),
    (replace(ASKED, prompt="1000", output="100"), "more than the 1024 positions"),
    (replace(ASKED, hosted_usd_per_m=1.0), "--usd-per-h"),
    (replace(ASKED, dtype="int8"), "has no int8 form"),
    (replace(ASKED, workload="llama_70b"), "cannot be served here: it needs 282 GB"),
    (replace(ASKED, prompt="many"), "no number of tokens"),
])  # fmt: skip
def test_what_cannot_be_served_is_said_before(
    options: Options, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hwbench import holding

    monkeypatch.setattr(holding, "here", lambda: {"cpu": 24 * 10**9})
    with pytest.raises(BadInput, match=said):
        serve_tokens.serve(options, spawn=OneChild(times_of()))


@pytest.mark.parametrize("reply", [
    ChildFailed("crashed", "the process was killed by signal 9 (SIGKILL)"),
    Reply(ok=False, code="memory", reason="not enough memory"),
])  # fmt: skip
def test_a_child_that_fails_is_said_in_a_line(reply: Any) -> None:
    child = OneChild(reply)
    with pytest.raises(BadInput, match=r"gpt2_small cannot be served here: (the process|not eno)"):
        serve_tokens.serve(ASKED, spawn=child)
    assert child.ended


def test_the_command_measures_a_small_model(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(serve_tokens, "VISIT_S", 0.005)
    command = ["serving", "gpt2_small_small", "--prompt", "8-32", "--output", "16"]
    command += ["--batch-size", "1", "--batch-size", "2", "--threads", "1", "--out", "s.json"]
    assert status_of([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(Path("s.json").read_text())
    assert told["schema"] == "hwbench.serving/1" and told["times"]["copy_bytes_per_s"] > 1e8
    assert {p["batch_size"] for p in told["times"]["decode"]} == {1, 2}
    # keys and values of two layers of width 128, in float32
    assert told["times"]["cache_bytes_per_token"] == 2 * 2 * 128 * 4
    assert told["times"]["weights_bytes"] == 4 * registry.networks()[
        "gpt2_small_small"
    ].workload.parameters(registry.networks()["gpt2_small_small"].variant.config)


def test_the_tail_of_a_machine_that_wanders_is_of_its_slow_times() -> None:
    """Rounds at 0.7, 1.0 and 1.3 of a time have the same mean as steady ones."""
    steady = times_of()

    def wandering(p: Any) -> Any:
        middle = p.rounds_s[1]
        return replace(p, rounds_s=(0.7 * middle, middle, 1.3 * middle))

    wanders = replace(
        steady,
        prefill=tuple(map(wandering, steady.prefill)),
        decode=tuple(map(wandering, steady.decode)),
    )
    flood = [Asked(at_s=0.0, prompt=64, output=32)] * 200
    found = [
        token_figures.load(
            1.5, 9.0, token_sim.arriving(flood, 1.5, (1, 2)), 8, token_figures.fits(times)
        )
        for times in (steady, wanders)
    ]
    p90 = [x.latency_s["p90"].point for x in found]
    assert p90[1] > 1.1 * p90[0]
    assert found[1].latency_s["p90"].high / p90[1] > 1.5 * found[0].latency_s["p90"].high / p90[0]


# --- requests of a file, energy, instances -------------------------------------------------------


def test_requests_of_a_file_are_drawn_as_they_are() -> None:
    Path("r.jsonl").write_text(
        '{"prompt": 100, "output": 20}\n\n{"prompt": "three words here", "output": 60, "id": 7}\n'
    )
    found = token_lengths.of_file(Path("r.jsonl"))
    assert found.pairs == ((100, 20), (3, 60)) and found.longest == 120
    assert found.means == (51.5, 40.0)
    assert "2 requests of r.jsonl" in found.note and "counted by words" in found.note
    drawn = token_lengths.mix(found, 200, (1, 2))
    assert set(drawn) == set(found.pairs) and drawn == token_lengths.mix(found, 200, (1, 2))
    child = OneChild(times_of())
    served = serve_tokens.serve(replace(ASKED, requests=Path("r.jsonl")), spawn=child)
    assert child.asked[0][1].contexts == (4, 120)
    assert (served.prompt_tokens, served.output_tokens) == (52, 40)
    assert any("counted by words" in n for n in served.notes)


def test_prompts_are_measured_at_lengths_that_occur() -> None:
    drawn = [17, 90, 33, 61, 128, 45]
    assert token_lengths.prompts_to_measure(drawn) == (17, 33, 45, 61, 90, 128)
    assert set(token_lengths.prompts_to_measure(list(range(100, 400)))) <= set(range(100, 400))
    assert token_lengths.prompts_to_measure([64] * 9) == (16, 32, 64)


@pytest.mark.parametrize(("text", "said"), [
    ("{", "line 1: is no JSON"),
    ('{"prompt": 3, "output": 4}\n[]', "line 2: is no object"),
    ('{"prompt": 3}', "line 1: output is None"),
    ('{"prompt": 0, "output": 4}', "line 1: prompt is 0"),
    ('{"prompt": true, "output": 4}', "line 1: prompt is True"),
    ('{"prompt": " ", "output": 4}', "line 1: prompt is ' '"),
    ("\n", "has no request"),
])  # fmt: skip
def test_a_file_of_requests_that_is_broken_names_its_line(text: str, said: str) -> None:
    Path("r.jsonl").write_text(text)
    with pytest.raises(BadInput, match=said):
        token_lengths.of_file(Path("r.jsonl"))
    assert status_of(["serving", "gpt2_small", "--requests", "none.jsonl"]) == 2


def test_a_full_machine_takes_its_power_for_the_tokens_it_serves() -> None:
    most = Estimate(point=2.0, low=1.6, high=2.5, level=0.9)
    found = token_costs.energy(100.0, "cpu", most, 500.0)
    assert found is not None  # 1,000 tokens a second at 100 W
    ends = found.joules_per_m_tokens
    assert (ends.point, ends.low, ends.high) == pytest.approx((1e5, 0.8e5, 1.25e5))
    assert token_costs.energy(None, "no meter", most, 500.0) is None


def test_a_pass_is_carried_over_by_what_bounds_it() -> None:
    net = registry.networks()["gpt2_small"]
    passes = token_places.Passes.of(net, 4)
    config = net.variant.config
    # the network's own formula, put together again from its parts: attention of every pair
    n = config["seq"]
    own = n * (passes.block_flops + passes.head_flops + n * passes.attention_flops)
    assert own == net.workload.flops(config)
    assert passes.head_flops == 2 * 768 * 50257
    times = times_of()
    here = token_places.here(times, "cpu")
    assert (here.flops_per_s, here.read_bytes_per_s, here.kind) == (2e11, 4e10, "cpu")
    far = token_places.Roof(flops_per_s=2e14, read_bytes_per_s=2e12, kind="gpu")
    moved = token_places.carried(times, passes, here, far, 2)
    # A token alone reads all weights: 50 times the bandwidth, half the bytes.
    alone = moved.decode[0].rounds_s[1] / times.decode[0].rounds_s[1]
    launches_s = 12 * 16 * 1.5e-6  # of 12 blocks, in a CUDA graph
    assert alone == pytest.approx(1 / 100 + launches_s / times.decode[0].rounds_s[1])
    slow = replace(here, read_bytes_per_s=1e9)  # a copy that tells too little: more than all of it
    most = token_places.carried(times, passes, slow, far, 2).decode[0].rounds_s[1]
    read = 2e8 + 33 * 36_864
    assert most == pytest.approx(read / 2e12 + launches_s)
    between = token_places.carried(times, passes, far, far, 4)  # a GPU's passes have them in
    assert between.decode[0].rounds_s == pytest.approx(times.decode[0].rounds_s)
    # A prompt computes here; there it is bound by reading the weights.
    there_s = 2e8 / 2e12 / (passes.prefill_flops(32) / 2e11)
    found = moved.prefill[0].rounds_s[1] - launches_s
    assert found / 0.064 == pytest.approx(there_s)
    assert (moved.weights_bytes, moved.cache_bytes_per_token) == (200_000_000, 36_864)
    assert token_places.room(moved, 8, 192, 10**12) is None
    assert "over several devices" in (token_places.room(moved, 8, 192, 10**8) or "")


CATALOG = """
[[instance]]
provider = "mine"
sku = "{sku}"
vcpus = 8
memory_bytes = 64000000000
accelerator = "{gpu}"
n_accelerators = {n}
usd_per_h = 2.0
source = "a contract"
date = 2026-11-01
confidence = "high"
"""


def test_instances_are_told_with_price_energy_and_break_even() -> None:
    rows = (("one", "A100-SXM-40GB", 1), ("four", "A100-SXM-40GB", 4), ("odd", "Unheard-9000", 1))
    Path("c.toml").write_text("".join(CATALOG.format(sku=s, gpu=g, n=n) for s, g, n in rows))
    asked = replace(
        ASKED, on=("mine:*",), catalog=Path("c.toml"), hosted_usd_per_m=1.0, prompt="32-128"
    )
    found = serve_tokens.serve(asked, spawn=OneChild(times_of()))
    places = {p.instance: p for p in found.places}
    one, four, odd = places["mine:one"], places["mine:four"], places["mine:odd"]
    assert one.dtype == "bfloat16" and one.requests_per_s and four.requests_per_s
    assert four.requests_per_s.point == pytest.approx(4 * one.requests_per_s.point)
    assert one.requests_per_s.point > 10 * found.most_requests_per_s.point
    assert one.cost and four.cost
    assert one.cost.usd_per_m_tokens.point == pytest.approx(4 * four.cost.usd_per_m_tokens.point)
    # across kinds of devices nothing is known to better than a factor
    assert one.requests_per_s.high > 2 * one.requests_per_s.point
    assert one.cost.break_even_tokens_per_month == pytest.approx(2.0 * 730 * 1e6)
    assert one.energy is not None and "modelled" in one.energy.covers
    assert odd.cost is None and "no data sheet of Unheard-9000" in (odd.reason or "")
    text = serving_view.text(found)
    assert "no accuracy measured" in text and "Unheard-9000" in text
    assert max(map(len, text.splitlines())) <= 100
    told = json.loads(json.dumps(codec.encode(found)))["places"]
    assert {p["basis"] for p in told} == {"scaled", None}


def test_an_instance_that_nobody_knows_is_said() -> None:
    with pytest.raises(HwbenchError, match="no instance"):
        serve_tokens.serve(replace(ASKED, on=("mine:none",)), spawn=OneChild(times_of()))


# --- drawn and told ------------------------------------------------------------------------------


def kept(folder: Path, **changes: Any) -> Path:
    """Write what serving came to, with two instances of a catalogue of one's own."""
    rows = (("one", "A100-SXM-40GB", 1), ("odd", "Unheard-9000", 1))
    Path("c.toml").write_text("".join(CATALOG.format(sku=s, gpu=g, n=n) for s, g, n in rows))
    out = folder / "s.json"
    asked = replace(
        ASKED,
        **{
            "on": ("mine:*",),
            "catalog": Path("c.toml"),
            "usd_per_h": 0.5,
            "hosted_usd_per_m": 3.0,
            "latency_bound_s": 4.0,
            "out": out,
            **changes,
        },
    )
    serve_tokens.serve(asked, spawn=OneChild(times_of()))
    return out


def test_a_serving_is_drawn_by_load_batch_and_dollars(tmp_path: Path) -> None:
    path = kept(tmp_path)
    latency, decoding, instances = plot.charts("serving", [path])
    value: ServingFile = plot.given(path).value
    lines = {s.name: s for s in latency.series}
    whole = lines["whole answer, p90"]
    assert list(whole.x) == [x.requests_per_s for x in value.loads if x.keeps_up]
    assert list(whole.y) == [x.latency_s["p90"].point for x in value.loads if x.keeps_up]
    bands = np.array([whole.low, whole.y, whole.high], dtype=float)
    assert bands[1, -1] > bands[1, 0] and (np.diff(bands, axis=0) > 0).all()
    assert {m.text for m in latency.marks} == {"bound of p90", "the most within it"}
    (together,) = decoding.series
    assert list(together.x) == [1, 2, 4, 8]
    (point,) = instances.series  # the other has no figure
    assert point.name == "mine:one" and instances.marks[0].x == 3.0
    out = tmp_path / "s.svg"
    assert status_of(["plot", "serving", str(path), "-o", str(out)]) == 0
    assert "requests a second" in out.read_text()
    bare = kept(tmp_path, on=(), hosted_usd_per_m=None, latency_bound_s=None)
    assert len(plot.charts("serving", [bare])) == 2


def test_a_report_of_a_serving_answers_first(tmp_path: Path) -> None:
    path = kept(tmp_path)
    page = report_words.page(report.report([path]))
    assert page.title == "What does serving gpt2_small come to?"
    said = " ".join(page.answer)
    assert "is served at up to" in said and "A million tokens cost $" in said
    assert "Nine of ten are answered within 4.00 s" in said
    tables = {t.name: t for s in page.sections for t in s.tables}
    assert set(tables) == {"loads", "decode", "instances"}
    assert len(tables["loads"].rows) == len(serve_tokens.SHARES)
    assert any("Unheard-9000" in n for n in tables["instances"].notes)
    assert any(s.drawings for s in page.sections)
    html = tmp_path / "r.html"
    assert status_of(["report", str(path), "-o", str(html)]) == 0
    assert "no accuracy measured" in html.read_text()


# --- by blocks -----------------------------------------------------------------------------------


def test_the_whole_is_told_by_the_line_through_its_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that a pass moves by a second and a tenth of one a block."""
    torch = pytest.importorskip("torch")
    from hwbench.dialects import torch_decoding, torch_generating

    now = [0.0]
    net = registry.networks()["gpt2_medium_small"]
    layers = 6
    config = {**net.variant.config, "layers": layers}

    def passing(self: Any, *args: Any) -> Any:
        now[0] += 1.0 + 0.1 * len(self.keys)
        return torch.zeros(1, 8)

    monkeypatch.setattr(torch_decoding.Engine, "prefill", passing)
    monkeypatch.setattr(torch_decoding.Engine, "decode", passing)
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr(torch_generating, "time", clock)
    monkeypatch.setattr(torch_generating, "_copy_bytes_per_s", lambda *a: 1e9)
    monkeypatch.setattr(torch_generating, "best_product", lambda *a: (1, 1e9))
    asked = Generate(
        workload=net.name, runtime="torch", device="cpu", dtype="float32", threads=1,
        prompts=(4,), batches=(1, 2), contexts=(5, 9), rounds=2, visit_s=0.1, blocks=(1, 2),
    )  # fmt: skip
    found = torch_generating.timed(net.workload, config, asked)
    assert found.blocks == (1, 2)
    told = [s for p in found.prefill for s in p.rounds_s]
    told += [s for p in found.decode for s in p.rounds_s]
    assert told == pytest.approx([1 + 0.1 * layers] * 10)
    assert found.weights_bytes == 4 * net.workload.parameters(config)
    assert found.cache_bytes_per_token == 2 * 4 * layers * config["width"]


def test_what_does_not_fit_is_served_by_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from hwbench import holding

    monkeypatch.setattr(holding, "here", lambda: {"cpu": 24 * 10**9})
    asked = replace(ASKED, workload="llama_8b")
    with pytest.raises(BadInput, match="--blocks 1,2 tells it from two of its blocks"):
        serve_tokens.serve(asked, spawn=OneChild(times_of()))
    child = OneChild(replace(times_of(), blocks=(1, 2)))
    found = serve_tokens.serve(replace(asked, blocks=(1, 2)), spawn=child)
    assert child.asked[0][1].blocks == (1, 2)
    assert any(n.startswith("by blocks: passes of 1 and 2 of 32") for n in found.notes)
    with pytest.raises(BadInput, match="has 32 blocks: it cannot be cut to 40"):
        serve_tokens.serve(replace(asked, blocks=(1, 40)), spawn=child)
