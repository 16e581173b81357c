"""A module imports only from floors below its own, and importing costs little."""

import ast
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

LIB = Path(__file__).parents[1] / "lib"
FLOORS = [
    {"measures", "memory", "temperature", "drawing", "fingerprint", "cache", "source_error"},
    {"resampling", "gguf_file", "hub"},
    {"calibration", "paired", "vocabulary"},
    {"final_layer", "null_space", "documents", "source", "facts"},
    {"text", "identity", "admission", "dequantised"},
    {"checkpoint"},  # what model reads through, and what it is known by
    {"model", "neuron_weights"},
    {"selection", "controls", "ablation", "token_frequency", "prompts", "pair", "predictions"},
    {"effects", "patching", "directions"},
    {"kinds"},
    {"evidence", "induction", "knowledge_conflicts", "knowledge", "confidence", "emergence"},  # the case studies
    {"truthfulness", "refusal"},  # two more, which read statements as `knowledge` does
    {"pocket"},  # the embedded models' making, and their report, which measures as a chapter does
    {"plots", "claims", "provenance"},
    {"sentences"},
    {"real_model"},  # tables and ledgers of two runs in, Markdown and figures out
    {"book"},
    {"bench"},  # measures the library, and draws what it found
]
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
OUTSIDE = {"__init__"}
MODULES = sorted(
    {path.stem for path in (*LIB.glob("*.py"), *(init.parent for init in LIB.glob("*/__init__.py")))} - OUTSIDE
)


def files(module):
    """The one file of a module, or all of a package."""
    return sorted((LIB / module).glob("*.py")) or [LIB / f"{module}.py"]


def imported(path):
    """Every module that a file imports, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inside = [f"lib.{alias.name}" for alias in node.names] if node.module == "lib" else [node.module]
            yield from inside


def test_nothing_imports_how_the_embedded_models_are_made_but_that_itself_and_the_benchmark():
    """Their code is no part of the library's fingerprint, since no chapter reads it (`identity.APART`)."""
    others = [path for path in LIB.rglob("*.py") if path.relative_to(LIB).parts[0] not in ("pocket", "bench")]
    assert not [
        path for path in others for name in imported(path) if f"{name}.".startswith(("lib.pocket.", "lib.bench."))
    ]


def test_no_module_stands_on_two_floors():
    assert len(FLOOR) == sum(map(len, FLOORS))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_a_floor_and_imports_only_from_below(module):
    for name in itertools.chain.from_iterable(map(imported, files(module))):
        if name.startswith("lib.") and name.split(".")[1] != module:
            assert FLOOR[name.split(".")[1]] < FLOOR[module], f"{module} must not import {name}"


@pytest.mark.parametrize(("library", "door"), [("transformers", "checkpoint.py"), ("transformer_lens", "loading.py")])
def test_one_module_alone_imports_each_of_the_heavy_libraries(library, door):
    users = [path.name for path in LIB.rglob("*.py") if library in {n.split(".")[0] for n in imported(path)}]
    assert users == [door]


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.long
def test_book_and_claims_import_no_torch_and_the_library_no_transformers():
    assert run("import sys, lib.book, lib.claims; print('torch' in sys.modules)").strip() == "False"
    everything = ", ".join(f"lib.{module}" for module in MODULES)
    heavy = "[m for m in ('transformers', 'transformer_lens') if m in sys.modules]"
    assert run(f"import sys, {everything}; print({heavy})").strip() == "[]"


@pytest.mark.long
def test_importing_the_library_costs_at_most_a_quarter_of_importing_torch():
    computing = ", ".join(f"lib.{module}" for module in MODULES if module != "plots")  # plots brings matplotlib
    now = "time.thread_time()"  # of the processor, in one process: a busy or a slow machine slows both alike
    # what torch left behind is its own: going through it again for waste, now and then, is no cost of the library
    torch, ours = "import torch; gc.freeze()", f"import {computing}"
    code = f"import gc, time; a = {now}; {torch}; b = {now}; {ours}; print(({now} - b) / (b - a))"
    assert min(float(run(code)) for _ in range(3)) <= 0.25
