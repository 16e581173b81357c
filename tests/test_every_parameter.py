"""Every chapter with every parameter away from its default, and with what none of them may be."""

import ast

import pytest

from lib import book, drawing
from lib import model as door
from lib.book import bounds, machine
from tests import in_process, matrix, mini

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a small model lies, with its checkpoints and twins, and a text."""
    return mini.family(tmp_path_factory.mktemp("family"))


@pytest.mark.parametrize("chapter", book.chapters())
def test_every_parameter_has_another_value_and_is_read_by_a_cell(chapter):
    known = book.defaults(chapter)
    without = set(known) - set(matrix.AWAY) - set(matrix.ALONE) - set(matrix.REFUSED) - matrix.ALWAYS
    assert not without, f"say in tests/matrix.py what else these may be: {', '.join(sorted(without))}"
    for name, value in (matrix.AWAY | matrix.ALONE).items():
        assert value not in (known.get(name), matrix.SMALL.get(name)), name
    cells = in_process.code(book.NOTEBOOKS / f"{chapter}.ipynb")
    trees = [ast.parse(source) for source, holds_parameters in cells if not holds_parameters]
    read = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(known) <= read, f"no cell reads {', '.join(sorted(set(known) - read))}"


@pytest.mark.parametrize("chapter", book.chapters())
def test_all_parameters_at_once_change_what_is_found_and_stand_on_the_card(chapter, folder, tmp_path):
    usual, other = tmp_path / "usual", tmp_path / "other"
    matrix.run(chapter, folder, usual)
    matrix.run(chapter, folder, other, **matrix.AWAY, dtype="float64")
    assert matrix.tables(usual).keys() == matrix.tables(other).keys()
    still = [name for name, rows in matrix.tables(usual).items() if matrix.tables(other)[name] == rows]
    same = sorted({*still} - matrix.NOTHING_HAPPENS)
    assert not same, f"all parameters are others, but not what was found in {', '.join(same)}"
    claims, others = matrix.claims(usual), matrix.claims(other)
    assert claims.keys() == others.keys() and claims != others


@pytest.mark.parametrize("chapter", book.chapters())
def test_what_cannot_be_had_here_is_refused_by_whom_it_is_for(chapter, folder, tmp_path):
    for name in matrix.REFUSED.keys() & book.defaults(chapter).keys():
        value, said = matrix.REFUSED[name]
        with pytest.raises(ValueError, match=said):
            matrix.run(chapter, folder, tmp_path, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("n_resamples", 0, "has to be 2 or more, got 0"),
        ("n_controls", 0, "has to be 1 or more, got 0"),
        ("n_facts", 0, "has to be 1 or more, got 0"),
        ("n_repeated", 15, "has to be 16 or more, got 15"),
        ("sequence_length", 2, "has to be 6 or more, got 2"),
        ("count", 0, "has to be 1 or more, got 0"),
        ("dim", -3, "has to be 0 or more, got -3"),
        ("neuron", -2, "has to be -1 or more, got -2"),
        ("tail", float("nan"), "has to be a finite number, got nan"),
        ("tail", float("inf"), "has to be a finite number, got inf"),
        ("tail", 2.0, "has to lie between 0 and 1, got 2.0"),
        ("threshold", float("inf"), "has to be a finite number, got inf"),
        ("min_share", 1.5, "has to be 1 or less, got 1.5"),
    ],
)
def test_numbers_out_of_bounds_are_refused_before_a_kernel_starts(name, value, said):
    having = [chapter for chapter in book.chapters() if name in book.defaults(chapter)]
    assert having
    for chapter in having:
        with pytest.raises(book.BookError) as refused:
            book.checked(chapter, {name: value})
        assert str(refused.value) == f"parameter {name} of chapter {chapter} {said}"
        with pytest.raises(book.BookError, match=name):
            in_process.run(chapter[:2], **{name: value})


def test_an_interval_takes_as_many_sequences_as_the_bounds_say_and_halves_take_twice_as_many():
    for chapter in [chapter for chapter in book.chapters() if "n_sequences" in book.defaults(chapter)]:
        least = drawing.FEWEST * (2 if chapter.startswith("05") else 1)
        with pytest.raises(book.BookError, match=f"n_sequences of chapter {chapter} has to be {least} or more"):
            book.checked(chapter, {"n_sequences": least - 1})
        assert book.checked(chapter, {"n_sequences": least})["n_sequences"] == least
    assert bounds.LEAST["n_repeated"] == 2 * drawing.FEWEST


def test_a_chapter_takes_the_dtypes_that_a_model_can_be_loaded_in():
    assert {*machine.BYTES} == {*door.DTYPES}


def test_defaults_lie_within_bounds():
    for chapter in book.chapters():
        assert book.checked(chapter, book.defaults(chapter))


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("gpu", "device must be cpu, or cuda for a GPU, got 'gpu'"),
        ("cuda:x", "device must be cpu, or cuda for a GPU, got 'cuda:x'"),
        ("", "device must be cpu, or cuda for a GPU, got ''"),
        ("mps", "device='mps' was asked for, but this machine has no such device"),
        ("xpu:7", "device='xpu:7' was asked for, but this machine has no such device"),
        ("cuda:99", "device='cuda:99' was asked for, but this machine has no"),
    ],
)
def test_a_device_that_is_not_there_is_said_in_one_sentence(device, said):
    with pytest.raises(ValueError, match=said):
        in_process.run("01", device=device)


def test_a_large_or_a_negative_seed_is_a_seed_like_any_other():
    seeds = (2**70, 2**70 + 1, -1, 1)
    assert len({drawing.named(seed, "a").initial_seed() for seed in seeds}) == len(seeds)
    assert all(book.checked(chapter, {"seed": seed}) for chapter in book.chapters() for seed in seeds)
