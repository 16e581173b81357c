import pytest

from lib import source
from lib.book import machine

GIB = 1024**2  # in the kibibytes of /proc/meminfo


@pytest.fixture
def meminfo(tmp_path):
    file = tmp_path / "meminfo"
    file.write_text(f"MemTotal:  {16 * GIB} kB\nMemAvailable:   {8 * GIB} kB\nHugePages_Total:  0\n")
    return file


def test_a_chapters_memory_grows_with_the_model_and_the_width_of_its_numbers(gpt2_folder):
    found = source.resolve(str(gpt2_folder))
    parameters = sum(map(machine._in_a_file, gpt2_folder.glob("*.safetensors")))
    import safetensors

    with safetensors.safe_open(gpt2_folder / "model.safetensors", framework="pt") as file:
        assert parameters == sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    narrow, wide = (machine.needed(found, dtype=dtype) for dtype in ("bfloat16", "float64"))
    assert machine.CHAPTER < narrow <= wide == machine.CHAPTER + round(machine.COPIES * parameters * 8 / 1e6)


def test_a_model_of_unknown_size_runs_alone(monkeypatch):
    monkeypatch.setattr(machine, "_on_the_hub", lambda _: 0)
    unknown = source.Source("org/name", "hub", "org/name", "0")
    assert machine.needed(unknown, dtype="float32") == machine.UNKNOWN > machine.free()


def test_a_model_that_was_downloaded_is_counted_without_asking(gpt2_folder, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(gpt2_folder))
    monkeypatch.setattr(huggingface_hub, "HfApi", None)
    kept = source.Source("org/name", "hub", "org/name", "0")
    assert machine.needed(kept, dtype="float32") == machine.needed(source.resolve(str(gpt2_folder)), dtype="float32")


def test_a_file_without_a_readable_header_counts_by_its_size(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 100)
    assert machine._in_a_folder(tmp_path) == 50
    (tmp_path / "model.safetensors").rename(tmp_path / "model.bin")
    assert machine._in_a_folder(tmp_path) == 50


def test_free_memory_is_the_machines_or_what_the_control_group_has_left(meminfo, tmp_path):
    whole = machine.free(meminfo=meminfo, groups=tmp_path)
    assert whole == 8 * 1024**3 // 1_000_000
    (tmp_path / "memory.max").write_text("4000000000\n")
    (tmp_path / "memory.current").write_text("3000000000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 500000000\n")
    assert machine.free(meminfo=meminfo, groups=tmp_path) == 1500
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.free(meminfo=meminfo, groups=tmp_path) == whole


def test_models_that_are_held_at_once_add_up_and_one_of_unknown_size_makes_all_unknown(gpt2_folder, monkeypatch):
    found = source.resolve(str(gpt2_folder))
    one, two = (machine.needed(*[found] * n, dtype="float64") - machine.CHAPTER for n in (1, 2))
    assert one > 0 and abs(two - 2 * one) <= 1
    monkeypatch.setattr(machine, "_on_the_hub", lambda _: 0)
    assert machine.needed(found, source.Source("a/b", "hub", "a/b", "0"), dtype="float32") == machine.UNKNOWN
