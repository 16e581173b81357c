import json
import os
import re
import signal
import time

import pandas
import pytest
import torch
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from lib.bench import __main__ as command
from lib.bench import case as cases
from lib.bench import ceiling, chapters, gather, page, patching, ways
from lib.bench import run as bench
from lib.bench.worker import Worker, grown
from lib.book import net, saving
from lib.effects import exact, moments
from tests import kept
from tests.conftest import HANGING

pytestmark = pytest.mark.long

SMALL = {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_inner": 96, "n_positions": 64, "vocab_size": 700}


@pytest.fixture(scope="module")
def case():
    return cases.build("gpt2-small-shape", n_tokens=30, n_neurons=24, **SMALL)


@pytest.fixture(scope="module")
def reference(case):
    return ways.reference(case)


@pytest.mark.parametrize("way", ways.WAYS)
def test_every_way_gives_the_reference_within_its_tolerance(case, reference, way):
    found = ways.WAYS[way](case).double()
    assert_close(found, reference, atol=2e-5, rtol=0)
    assert reference[0].min() > 1e-5 and reference.amax(1).min() > 1e-2


def test_the_loud_neurons_act_through_the_norm_and_the_others_do_not(case, reference):
    mediated = 1 - reference[1] / reference[0]
    assert mediated[: cases.N_LOUD].median() > 0.5 > mediated[cases.N_LOUD :].median()


def test_the_random_model_is_always_the_same(case):
    again = cases.build("gpt2-small-shape", n_tokens=30, n_neurons=24, **SMALL)
    assert torch.equal(again.model.W_out, case.model.W_out) and torch.equal(again.delta, case.delta)


def test_the_pocket_model_makes_a_case_of_as_many_tokens_as_asked_for():
    case = cases.build("pocket", n_tokens=50, n_neurons=8)
    assert case.delta.shape == (50, 8) and len(case.clean.target) == 50


def test_a_worker_computes_its_share_and_keeps_it(case, reference):
    worker = Worker("published", case)
    assert worker.answer({"first": 0, "last": 11})["seconds"] > 0
    answer = worker.answer({"finish": True})
    means = torch.tensor(answer["means"])
    assert_close(means[:, :11], reference[:, :11].float(), atol=2e-5, rtol=0)
    assert means[:, 11:].isnan().all() and answer["peak_mib"] > 100
    assert bench._error(answer["means"], reference) < 2e-5


def test_what_the_cumulant_gear_needs_is_what_its_products_take(case):
    in_place = {torch.ops.aten.addmm_: lambda total, left, right, **named: 2 * left[0] * left[1] * right[1]}
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        ways.gear("cumulant")(case)
    needed = ceiling.needed("cumulant", tokens=30, neurons=24, d_vocab=700, d_model=64)
    assert needed <= counter.get_total_flops() <= 1.02 * needed  # beside these, products without the vocabulary
    assert ceiling.needed("fused", tokens=30, neurons=24, d_vocab=700, d_model=64) == 2 * 30 * 24 * 700


def test_the_ceiling_is_the_fastest_way_to_bare_exponentials_and_products_of_the_gears_shapes(case, monkeypatch):
    monkeypatch.setattr(ceiling, "SECONDS", 0.02)
    machine = ceiling.Ceiling(case)
    assert machine.tile.shape == (exact.CELLS // 700, 700)
    assert [len(left) for left, _ in machine.factors] == [30 * count for count in moments.OF_BOTH.count.values()]
    found = machine.answer({"ceiling": True})
    assert found["exponentials"] > 1e6 and found["products"] > 1e6 and machine.answer({"finish": True}) == {}
    machine.ways = [lambda: time.sleep(0.05), *machine.ways]
    assert machine.exponentials() > machine.tile.numel() / 0.05


def test_a_share_of_the_ceiling_is_taken_beside_the_median_round():
    rounds = [{"exponentials": rate, "products": 0.0} for rate in (4.0, 1e9, 3.0)]
    told = ceiling.reached("eager", 10.0, rounds, tokens=1, neurons=1, d_vocab=10, d_model=1)
    assert told == {"ceiling": "exponentials", "ceiling_per_second": 4.0, "ceiling_share": 0.5}


def test_a_case_is_cut_along_each_of_its_axes(case):
    small = grown(case, tokens=12, neurons=5, vocabulary=300)
    assert small.delta.shape == (12, 5) and small.model.final_layer.d_vocab == 300 > int(small.clean.target.max())
    assert ways.gear("eager")(small).shape == (3, 5)


def test_processes_take_turns_and_leave_one_entry_each_about_the_neurons_that_there_are(monkeypatch, capsys):
    ask, asked = bench.Process.ask, []

    def remembered(self, **order):
        asked.append(order)
        return ask(self, **order)

    monkeypatch.setattr(bench, "ORDER", ("published", "hooks", "eager"))
    monkeypatch.setattr(bench.Process, "ask", remembered)
    entries, growth = bench.side_by_side(
        "gpt2-small-shape", n_tokens=20, n_neurons=500, n_hooked=2, rounds=3, threads=1, grow=False, **SMALL
    )
    assert [(entry["name"], entry["neurons"]) for entry in entries] == [("published", 96), ("hooks", 2), ("eager", 96)]
    told = capsys.readouterr()
    assert told.out == "" and all(re.match(r"bench \d\d+:\d\d  \w", line) for line in told.err.splitlines())
    assert [turn for turn in (1, 2, 3) if f"round {turn} of 3: what the machine can do, then publ" in told.err] == [
        1,
        2,
        3,
    ]
    assert all(0 <= order["first"] < order["last"] <= 96 for order in asked if "first" in order)  # none is empty
    for entry in entries:
        assert entry["seconds"] > 0 and entry["peak_mib"] > 100 and entry["max_abs_error"] < 1e-4
        assert entry["tokens"] == 20
        assert ("ceiling_share" in entry) == (entry["name"] == "eager")
        assert entry["ratio"] == (entries[0]["seconds"] / 96) / (entry["seconds"] / entry["neurons"])
    assert entries[2]["frequency_seconds"] > 0 and growth == []
    assert entries[2]["ceiling"] == "exponentials"
    needed = 2 * 20 * 96 * 700 / entries[2]["ceiling_per_second"]
    assert entries[2]["ceiling_share"] == pytest.approx(needed / entries[2]["seconds"])
    assert json.loads(json.dumps(entries)) == entries


@pytest.mark.parametrize(("n", "rounds"), [(12, 3), (8, 3), (2, 3), (128, 3), (1, 1)])
def test_shares_hold_every_neuron_once(n, rounds):
    found = bench.shares(n, rounds)
    assert len(found) == rounds and [at for first, last in found for at in range(first, last)] == list(range(n))
    assert max(last - first for first, last in found) - min(last - first for first, last in found) <= 1


def test_gathering_the_last_layer_does_not_run_the_unembedding(case):
    head = case.whole.bridge.original_model.lm_head
    handle = head.register_forward_hook(lambda *_: pytest.fail("the unembedding was run"))
    try:
        run = case.whole.run(case.tokens, "resid", "scale", "activation")
    finally:
        handle.remove()
    assert set(run) == {"resid", "scale", "activation"}


def test_gathering_is_set_beside_a_pass_of_its_own_kind(case, monkeypatch):
    runs, plain = [], case.whole.bridge.original_model
    monkeypatch.setattr(gather, "random_model", lambda **shape: case.whole)
    handles = [plain.lm_head.register_forward_hook(lambda *_: runs.append("head"))]
    handles += [plain.transformer.register_forward_hook(lambda *_: runs.append("body"))]
    try:
        taken = gather.overhead(n_sequences=1, sequence_length=16, rounds=1, **SMALL)
    finally:
        [handle.remove() for handle in handles]
    assert runs == 2 * ["body", "body", "body", "head", "body", "head"]
    assert taken["plain_seconds"] > 0 and taken["overhead"] == taken["gather_seconds"] / taken["plain_seconds"] - 1
    with_logits = taken["gather_logits_seconds"] / taken["plain_logits_seconds"] - 1
    assert taken["overhead_logits"] == with_logits


@pytest.fixture
def result():
    entry = {"tokens": 256, "seconds": 2.0, "ratio": 30.0, "peak_mib": 1500.0, "max_abs_error": 3e-6}
    entries = [
        entry | {"name": name, "model": model, "neurons": 512, "frequency_seconds": 3.0, "routed_share": 0.04}
        for model in ("gpt2-small-shape", "pocket")
        for name in bench.ORDER
    ]
    for entry in entries:
        if entry["name"] in ceiling.KIND:
            entry |= {"ceiling": ceiling.KIND[entry["name"]], "ceiling_per_second": 1.7e9, "ceiling_share": 0.55}
    growth = [
        {"name": name, "axis": axis, "size": size, "seconds": size / 100}
        for name in bench.ORDER[2:]
        for axis, sizes in bench.SIZES.items()
        for size in sizes
    ]
    taken = {"sequences": 4, "sequence_length": 256, "plain_seconds": 2.0, "gather_seconds": 2.1, "overhead": 0.05}
    taken |= {"plain_logits_seconds": 3.0, "gather_logits_seconds": 3.3, "overhead_logits": 0.1}
    machine = {"cpu": "a processor", "cores": 2, "threads": 2}
    stamp = {"date": "2026-01-01", "commit": "abc1234"}
    return {"effects": entries, "patching": [], "growth": growth, "gather": taken, "machine": machine} | stamp


def test_the_table_extrapolates_the_large_model_alone_and_says_so(result):
    lines = page.table(result).splitlines()
    assert len(lines) == 2 + len(result["effects"]) and "(extrapolated)" in lines[0]
    assert lines[2].endswith("|  | 48 s |") and lines[-1].endswith("| 55% of products |  |")  # 24 times 2 s


def test_the_page_is_written_anew_between_its_marks(result, tmp_path):
    (tmp_path / "_static").mkdir()
    page_file = tmp_path / "how_fast.md"
    page_file.write_text("before\n<!-- measured -->\nold\n<!-- end -->\nafter\n")
    page_file.write_text(page_file.read_text() + "<!-- patching -->\n<!-- end -->\nbehind\n")
    for way, ratio in (("passes", 1.0), ("grid", 23.0)):
        entry = {"name": way, "model": "pocket", "pairs": 16, "cells": 84, "seconds": 2.0, "ratio": ratio}
        result["patching"].append(entry | {"peak_mib": 700.0, "max_abs_error": 1e-6})
    for _ in range(2):
        page.write(result, tmp_path)
    text = page_file.read_text()
    assert text.startswith("before\n") and text.endswith("behind\n") and "old" not in text
    assert text.count("after\n") == 1 and text.count("| 16 | 84 | 2.00 | 23.0 | 700 | 1e-06 |") == 1
    assert text.count("published procedure |") == 2 and "4.0% of its pairs" in text and "(+5%); with the logits" in text
    assert "3.00 s (eager gear), 3.00 s (fused gear), 3.00 s (cumulant gear)." in text
    assert "</svg>" in (tmp_path / "_static" / "how_fast.svg").read_text()


def test_chapters_of_kept_runs_stand_on_the_page_and_are_added_up(result, tmp_path):
    run = kept.run(tmp_path / "runs" / "m", model="mine", chapters=("02", "05"))
    saving.keep(run, models=tmp_path / "models")
    entries = chapters.taken(tmp_path / "models")
    rows = chapters.table(entries).splitlines()
    assert rows[2] == "| mine | 02_null_space | 2026-01-02 03:04 UTC | 2 | 4 | 2 | 0.25 |"
    assert rows[-1] == "| mine | all together |  | 5 | 8 |  | 0.25 |" and len(rows) == 5
    (tmp_path / "_static").mkdir()
    page_file = tmp_path / "how_fast.md"
    marks = "<!-- measured -->\n<!-- end -->\n<!-- chapters -->\n<!-- end -->\n"
    page_file.write_text(marks)
    page.write(result | {"chapters": entries}, tmp_path)
    assert "| mine | all together |" in page_file.read_text()
    assert chapters.taken(tmp_path / "none") == []
    page.write(result, tmp_path)
    assert "No run of a real model is kept" in page_file.read_text() and "all together" not in page_file.read_text()


def test_what_a_result_does_not_hold_the_page_does_not_tell(result):
    del result["gather"]
    for entry in result["effects"]:
        if entry["name"] != "eager":
            del entry["frequency_seconds"]
    said = page.notes(result)
    assert "Gathering" not in said and "on top: 3.00 s (eager gear). In the same run" in said


def test_a_gear_below_its_aim_is_named_and_a_result_without_ceilings_tells_nothing_of_them(result):
    said = page.notes(result)
    assert "1.70 billion bare exponentials a second" in said
    assert "55% of the exponentials (fused gear; the aim is 60%, and it is missed)" in said
    assert "55% of the products (cumulant gear; the aim is 50%)" in said
    for entry in result["effects"]:
        for key in ("ceiling", "ceiling_per_second", "ceiling_share"):
            entry.pop(key, None)
    assert "ceiling" not in page.notes(result) and "55%" not in page.table(result)


def test_growth_is_drawn_for_every_gear_beside_its_proportional_line(result):
    import matplotlib.pyplot as plt

    from lib.plots import speed

    growth = pandas.DataFrame(result["growth"])
    ax = speed.seconds_against_size(growth[growth.axis == "tokens"], axis="tokens", ax=plt.figure().gca())
    assert len(ax.lines) == 6 and ax.get_xlabel() == "tokens" and ax.get_xscale() == "log"
    assert [len(line.get_xdata()) for line in ax.lines] == [4] * 6


def test_patching_by_the_grid_gives_what_full_passes_give_and_both_take_turns():
    entries = patching.side_by_side("gpt2-small-shape", n_pairs=3, rounds=2, threads=1, **SMALL | {"n_positions": 96})
    assert [entry["name"] for entry in entries] == ["passes", "grid"] and entries[0]["cells"] == 2 * 14
    assert entries[0]["ratio"] == 1 and entries[1]["ratio"] == entries[0]["seconds"] / entries[1]["seconds"]
    assert entries[1]["max_abs_error"] < 1e-4 and all(entry["peak_mib"] > 100 for entry in entries)
    assert json.loads(json.dumps(entries)) == entries


def test_prompts_that_are_patched_share_what_the_papers_share():
    model, pairs = patching.build("gpt2-small-shape", n_pairs=4, **SMALL | {"n_positions": 96})
    differ = (pairs.source != pairs.target).any(0)
    assert not differ[: patching.N_BEFORE + patching.N_SHARED].any() and differ[-11:].all()
    assert pairs.source.shape == (4, 80) and model.n_layers == 2


def test_what_stops_the_benchmark_is_one_sentence_before_the_minutes_that_it_takes(tmp_path, monkeypatch, capsys):
    def stopped(arguments):
        raise KeyboardInterrupt

    for module in (command, net):
        monkeypatch.setattr(module, "REPOSITORY", tmp_path)
    monkeypatch.setattr("sys.argv", ["lib.bench"])
    monkeypatch.setattr(command, "measured", stopped)
    with pytest.raises(SystemExit, match="130"):
        command.main()
    assert capsys.readouterr().err == "stopped; nothing was kept\n"
    (tmp_path / "runs").rmdir()
    (tmp_path / "runs").write_text("mine")
    monkeypatch.setattr(command, "measured", lambda arguments: pytest.fail("it was measured"))
    with pytest.raises(SystemExit, match="1"):
        command.main()
    assert f"{tmp_path / 'runs'} is needed as a folder" in capsys.readouterr().err


def test_a_worker_is_out_of_reach_of_an_interruption_and_ends_with_who_asked_for_it(tmp_path, monkeypatch):
    (tmp_path / "waiting.py").write_text("import sys; print('{}', flush=True); sys.stdin.read(); sys.stdin.read()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    asked = bench.Process("nothing", {}, threads=1, module="waiting")
    worker = asked.process
    assert os.getpgid(worker.pid) != os.getpgid(0) and worker.poll() is None
    del asked
    assert worker.wait(timeout=HANGING) == -signal.SIGKILL
