"""`--pretrained timm:NAME` and `transformers:NAME`: from a library's cache as it lies on a disk.

Each in a process of its own: the hub's client reads where its cache is when it is imported.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

# A repository in the hub's cache: a reference, and a snapshot with its files.
CACHED = """
import os, pathlib
def place(repository):
    folder = pathlib.Path(os.environ["HF_HUB_CACHE"]) / ("models--" + repository.replace("/", "--"))
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    return snapshot
"""

TIMM = (
    CACHED
    + """
from hwbench.dialects.torch_vision import let_torchvision_import
let_torchvision_import()
import timm, torch
from safetensors.torch import save_file
from hwbench import registry
from hwbench.dialects import torch_pretrained as pretrained
from hwbench.dialects.torch import network
torch.manual_seed(3)
theirs = timm.create_model("resnet18", pretrained=False)
repository = timm.get_pretrained_cfg("resnet18").hf_hub_id
save_file(theirs.state_dict(), place(repository) / "model.safetensors")
state = pretrained.state_of(torch, "timm:resnet18")
assert all(torch.equal(v, state[k]) for k, v in theirs.state_dict().items())
of = registry.networks()["resnet18"]
mine = network(torch, of.workload, of.variant.config, 0)
kept = mine.fc.weight.clone()
count = pretrained.put_in(mine, state, "fc", "timm:resnet18")
assert count == len(mine.state_dict()) - 2, count
assert torch.equal(mine.fc.weight, kept)  # the head is one's own
images = torch.randn(2, 3, 64, 64)
mine.eval(), theirs.eval()
with torch.no_grad():
    mine.fc.weight.copy_(theirs.fc.weight), mine.fc.bias.copy_(theirs.fc.bias)
    assert torch.allclose(mine(images), theirs(images), atol=1e-4)
print("equal")
"""
)

BERT = (
    CACHED
    + """
from hwbench.dialects.torch_vision import let_torchvision_import
let_torchvision_import()
import torch, transformers
from hwbench import registry
from hwbench.dialects import torch_pretrained as pretrained
from hwbench.dialects.torch import network
of = registry.networks()["bert_base_small"]
config = of.variant.config
torch.manual_seed(3)
theirs = transformers.BertModel(transformers.BertConfig(
    vocab_size=config["vocab"], hidden_size=config["width"], num_hidden_layers=config["layers"],
    num_attention_heads=config["heads"], intermediate_size=config["mlp_width"],
    max_position_embeddings=config["context"], type_vocab_size=config["types"],
))
theirs.save_pretrained(place("someone/tiny"))
state = pretrained.state_of(torch, "transformers:someone/tiny")
assert all(torch.equal(v, state[k]) for k, v in theirs.state_dict().items())
mine = network(torch, of.workload, config, 0).eval()
head = [n for n, _ in mine.named_parameters()][-1].rpartition(".")[0]
count = pretrained.put_in(mine, state, head, "transformers:someone/tiny")
assert count == len(mine.state_dict()) - 2, (count, len(mine.state_dict()))
tokens = torch.randint(config["vocab"], (2, config["seq"]))
seen = []
getattr(mine, head).register_forward_hook(lambda m, args, out: seen.append(args[0]))
with torch.no_grad():
    mine(tokens)
    pooled = theirs.eval()(tokens).pooler_output
assert torch.allclose(seen[0], pooled, atol=1e-4)
print("equal")
"""
)

MISSING = """
import torch
from hwbench.dialects import torch_pretrained as pretrained
from hwbench.errors import Unavailable
for spec in ("timm:resnet18", "transformers:nobody/nothing", "timm:no_such_network"):
    try:
        pretrained.state_of(torch, spec)
    except Unavailable as e:
        print(e)
"""


def needs(library: str) -> None:
    """Skip without a library, which is not imported here: it may want torchvision's operators."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")


def told(script: str, tmp_path: Path) -> str:
    """Run a script with an empty cache of its own, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "HF_HOME": str(tmp_path),
            "HF_HUB_CACHE": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": "1",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_network_of_timm_comes_from_its_cache_and_answers_as_theirs(tmp_path: Path) -> None:
    needs("timm")
    assert told(TIMM, tmp_path).endswith("equal\n")


def test_a_network_of_transformers_comes_from_its_cache_and_answers_as_theirs(
    tmp_path: Path,
) -> None:
    needs("transformers")
    assert told(BERT, tmp_path).endswith("equal\n")


def test_what_the_cache_lacks_is_said_and_not_downloaded(tmp_path: Path) -> None:
    needs("timm")
    needs("transformers")
    lines = told(MISSING, tmp_path).splitlines()
    assert len(lines) == 3
    assert "timm has no pretrained resnet18 in this machine's cache" in lines[0]
    assert "transformers has no pretrained nobody/nothing in this machine's cache" in lines[1]
    assert all("--pretrained FILE" in line for line in lines)
