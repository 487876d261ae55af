"""Who may import whom (docs/architecture.md): this file reads the imports and holds the table."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Every module, once. `*` stands for the files of a folder, where a new file is a new plug-in.
LAYERS = {
    "words": "bounds errors units",
    "facts": "advised batch case case_facts chart compared counter_joules cpu_power"
    " data_sheet dataset depth device early_promotion early_stopping edge_facts energy"
    " estimate_figures estimate_questions estimate_value estimated inspected intervals"
    " joules later_interval learned learning_asks learning_rows loop loop_actual"
    " loop_forecast loop_plan measurement memory_needs model_facts model_spec"
    " montecarlo own_draw ownership pages power_joules power_record power_trace probed"
    " quality_found record_shape repeats round_medians run_terms scaled"
    " search_schedule sensor served shards shortcut_rows stats steady sustained taught"
    " tokens trend validation validations_floor values ways window_joules",
    "contracts": "cards chart_kind decoding growing hardening instance kernel meter"
    " runtime setting shortcut stepping workload",
    "dialects": "dialects.* weights",
    "architectures": "architectures.*",
    "plug-ins": "charts.* hardenings.* kernels.* meters.* runtimes.* settings.*"
    " shortcuts.* workloads.*",
    "machinery": "advice advice_saved advising afterwards alternating answering arrivals"
    " artifacts asking bare_rows batch_auto batch_fit batch_search blocks break_even"
    " building buying by_record carbon case_columns case_pairs catalog_check"
    " catalog_fetch catalog_file catalog_update cgroup chart_figure chart_numbers"
    " chart_theme check checkpointing child codec coldness comparable compare_file"
    " compare_reading comparing confirming costing counters cpu cpu_catalog crew"
    " curve_ensemble curve_file curve_fitting curves_study data_found data_images"
    " data_kept data_made data_quality data_sheets data_tables data_text"
    " data_tokenizer definition depth_fit disk_speed drawing edge_agreement edge_cases"
    " edge_figures edge_limits edge_making edge_sightings energy_figures energy_pass"
    " energy_planning estimate_file estimate_plan estimate_request failure"
    " first_losses fitting foresight gpu_watch grid hardened here_way history_file"
    " holding host instance_peak instance_power instance_ways instances interference"
    " interrupted_times journal json_schema learning learning_asked learning_asking"
    " learning_beside learning_child learning_curve learning_curves learning_data"
    " learning_disturbed learning_energy learning_found learning_journal"
    " learning_opening learning_plan learning_rate learning_recipe learning_result"
    " learning_sharing learning_sources learning_spoiled learning_task ledger"
    " loader_measuring loader_search loaders lock loop_asking loop_energy loop_pace"
    " looping matching memory_fit memory_use metering model_naming modelled_energy"
    " nvml oom openings outcomes own_models owning pair_ratios paired_steps"
    " parameter_bytes pareto places plan_counts plan_rows planning power_sums"
    " preparation presets privacy probing profile progress protocol published"
    " published_workloads quantity ratio_tests real_run record_facts record_files"
    " record_finding record_index record_parts record_readers record_table registry"
    " rehearsing request_numbers resuming rounds row_figures row_flows row_making"
    " row_notes run_outcome runtime_options sampler sampling scaling scaling_cpu"
    " scaling_efficiency scaling_facts scaling_kernel scaling_table scenario_figures"
    " scenarios screening search_notes search_plan searching selection server_search"
    " serving serving_places sharing sharing_asked shortcut_finding shortcut_making"
    " shortcuts_file sides sightings signs skypilot_catalog solving spending"
    " step_blocks step_power step_ratio step_source stopping store summary sustaining"
    " sysfs targets timing token_costs token_figures token_fits token_lengths"
    " token_places token_sim training_choice training_pace tree_file tuning user_cache"
    " validation_file validations verdicts virtual visit_facts visiting watched"
    " way_times worker",
    "verbs": "advise compare doctor estimate export inspect instances_study listing"
    " memory_plan plot power report run serve_tokens shortcuts_learn shortcuts_study"
    " validate",
    "shell": "__main__ advise_view bar chart_text cli cli.* compare_many compare_view"
    " depth_view edge_view energy_views estimate_table estimate_units estimate_view"
    " inspect_view instances_view learning_view loader_view loop_callbacks loop_watch"
    " memory_view power_view render report_edge report_estimate report_html"
    " report_markdown report_parts report_record report_serving report_shortcuts"
    " report_words scenario_views search_view serving_view sharing_view shortcuts_view"
    " step_measure sustained_view tuning_view validation_view views watching",
}

_GROUND = {"words", "facts", "contracts"}
MAY_IMPORT = {
    "words": set[str](),
    "facts": {"words", "facts"},
    "contracts": _GROUND,
    "dialects": _GROUND | {"dialects"},
    "architectures": _GROUND | {"architectures"},
    "plug-ins": _GROUND | {"dialects", "architectures"},
    "machinery": _GROUND | {"dialects", "machinery"},
    "verbs": _GROUND | {"machinery", "verbs"},
    "shell": _GROUND | {"machinery", "verbs", "shell"},
}

FRAMEWORKS = {"torch", "jax", "flax", "optax", "onnx", "onnxruntime", "onnxscript", "transformers"}
# Libraries that are not Python's own: who may import them inside a function ...
INSIDE = {
    "words": set[str](),
    "facts": {"numpy"},
    "contracts": set[str](),
    "dialects": FRAMEWORKS | {"PIL", "bitsandbytes", "numpy", "peft", "psutil", "pyarrow", "timm"},
    "architectures": FRAMEWORKS | {"numpy"},
    "plug-ins": FRAMEWORKS | {"numpy", "openvino", "opacus", "psutil", "pynvml", "zeus"},
    "machinery": {"PIL", "duckdb", "matplotlib", "msgspec", "numpy", "psutil", "pynvml", "sklearn"},
    "verbs": set[str](),
    "shell": {"rich"},
}
# ... and who at the top of a module, where all that import it pay.
AT_THE_TOP = {"cli": {"click"}, "cli.*": {"click"}, "bar": {"rich"}, "record_shape": {"msgspec"}}
# What prints without being of the shell: the worker answers its parent, and a file is generated.
PRINTS = {"worker", "sampling", "json_schema", "definition", "record_parts"}


@dataclass(frozen=True)
class Import:
    """One import as the source has it."""

    module: str
    name: str  # what is imported, as full as it is written
    inside: bool  # in a function
    line: int


def _modules() -> dict[str, Path]:
    """Return every module of the package by its name below `hwbench`."""
    folders = {"": ROOT / "hwbench", "kernels.": ROOT / "kernels"}
    found = {}
    for prefix, folder in folders.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = prefix + ".".join(p for p in parts if p != "__init__")
            if name and path.read_text(encoding="utf-8").count("\n") > 1:  # not a bare docstring
                found[name.rstrip(".")] = path
    return found


MODULES = _modules()
ENTRIES = {entry: layer for layer, text in LAYERS.items() for entry in text.split()}


def _entry(module: str) -> str | None:
    """Return the entry of the table that covers a module."""
    folder = module.rpartition(".")[0]
    return next((e for e in (module, f"{folder}.*") if e in ENTRIES), None)


def _imports(module: str) -> list[Import]:
    """Return the imports of a module, those by a module's name in a string included."""
    return list(_walked(ast.parse(MODULES[module].read_text(encoding="utf-8")), module, False))


def _walked(node: ast.AST, module: str, inside: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from _walked(child, module, True)
            continue
        for name in _named(child):
            yield Import(module, name, inside, getattr(child, "lineno", 0))
        function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from _walked(child, module, inside or function)


def _named(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are written in full here"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        package, _, name = node.value.partition(".")
        return [node.value] if package == "hwbench" and name in MODULES else []
    return []


def _own(name: str) -> str | None:
    """Return the module of this package that an import reaches, None for another library's."""
    if name.split(".")[0] != "hwbench":
        return None
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in MODULES:
        parts.pop()  # the name of a thing in the module
    return ".".join(parts) or None


def _library(name: str) -> str | None:
    first = name.split(".")[0]
    return None if first == "hwbench" or first in sys.stdlib_module_names else first


def test_every_module_has_one_layer() -> None:
    assert len(ENTRIES) == sum(len(text.split()) for text in LAYERS.values())
    assert [m for m in MODULES if _entry(m) is None] == [], "enter new modules in LAYERS"
    assert set(ENTRIES) == {_entry(m) for m in MODULES}, "take what is gone out of LAYERS"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_its_own_layer_or_below(module: str) -> None:
    layer = ENTRIES[_entry(module) or ""]
    reached = {i: _own(i.name) for i in _imports(module)}
    wrong = [
        f"{module}:{i.line} imports {other} ({ENTRIES[_entry(other) or '']})"
        for i, other in reached.items()
        if other and other != module and ENTRIES[_entry(other) or ""] not in MAY_IMPORT[layer]
    ]
    assert wrong == []


@pytest.mark.parametrize("module", MODULES)
def test_a_library_is_imported_only_where_it_belongs(module: str) -> None:
    entry = _entry(module) or ""
    at_the_top = AT_THE_TOP.get(entry, set())
    allowed = INSIDE[ENTRIES[entry]] | at_the_top
    wrong = [
        f"{module}:{i.line} imports {library}" + ("" if i.inside else " at the top")
        for i in _imports(module)
        for library in [_library(i.name)]
        if library and library not in (allowed if i.inside else at_the_top)
    ]
    assert wrong == []


@pytest.mark.parametrize("module", [m for m in MODULES if ENTRIES[_entry(m) or ""] != "shell"])
def test_only_the_shell_prints(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    prints = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.stdout.write")
    ]
    assert bool(prints) == (module in PRINTS)


def test_the_table_would_see_a_wrong_import() -> None:
    source = (
        "import torch\n"
        "from hwbench.runtimes.torch import RUNTIME\n"
        "def f():\n"
        "    import jax.numpy\n"
        "    return later('hwbench.dialects.torch', 'probe')\n"
    )
    found = {(i.name, i.inside) for i in _walked(ast.parse(source), "gone", False)}
    assert found == {
        ("torch", False),
        ("hwbench.runtimes.torch.RUNTIME", False),
        ("jax.numpy", True),
        ("hwbench.dialects.torch", True),
    }
    assert _own("hwbench.runtimes.torch.RUNTIME") == "runtimes.torch"
    assert _own("hwbench.units") == "units"
    assert (_library("jax.numpy"), _library("os.path")) == ("jax", None)


def test_the_packages_in_setup_cfg_are_those_that_exist() -> None:
    import configparser

    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    listed = set(settings["options"]["packages"].split())
    folders = {"hwbench.kernels"} | {
        ".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / "hwbench").rglob("*.py")
    }
    assert listed == folders
