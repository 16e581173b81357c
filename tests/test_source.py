import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lib import source
from tests.conftest import D_VOCAB, HANGING

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def serve(folder):
    """A hub on loopback that holds one repository, `tiny/gpt2`, at one commit."""

    class Hub(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = self.path.split("?")[0]
            name = path.rsplit("/", 1)[-1]
            file = folder / name
            if path.startswith("/api/models/tiny/gpt2") and "/tree/" not in path:
                siblings = [{"rfilename": entry.name} for entry in folder.iterdir()]
                body = json.dumps({"id": "tiny/gpt2", "sha": COMMIT, "siblings": siblings, "tags": []}).encode()
                self.answer(200, body, {"Content-Type": "application/json"})
            elif path.startswith("/api/models/tiny/gpt2/tree/"):
                files = folder.iterdir() if name == COMMIT else ()
                tree = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": f.name} for f in files]
                self.answer(200, json.dumps(tree).encode(), {"Content-Type": "application/json"})
            elif path.startswith("/tiny/gpt2/resolve/") and file.is_file():
                self.answer(200, file.read_bytes(), {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT})
            elif path.startswith("/tiny/gpt2/resolve/"):
                self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            else:
                self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        def answer(self, status, body, headers):
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def in_child(code, **environment):
    """Runs code in a fresh interpreter: the hub's address is read when huggingface_hub is imported."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, timeout=HANGING)


LOAD = "from lib import model\nm = model.load('tiny/gpt2')\nprint(m.source.revision, m.final_layer.d_vocab)"


@pytest.mark.long
def test_a_hub_repository_is_pinned_to_its_commit_loaded_and_loaded_again_without_network(gpt2_folder, tmp_path):
    server = serve(gpt2_folder)
    place = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path)}
    online = in_child(LOAD, **place)
    assert online.stdout.split() == [COMMIT, str(D_VOCAB)], online.stderr[-2000:]
    unknown = in_child("from lib import source\nsource.resolve('tiny/none')", **place)
    assert "the hub has no such repository" in unknown.stderr.splitlines()[-1]
    server.shutdown()
    server.server_close()
    offline = in_child(LOAD, **place)
    assert offline.stdout.split() == [COMMIT, str(D_VOCAB)], offline.stderr[-2000:]


def test_a_hub_id_with_no_network_is_said_in_one_sentence(tmp_path):
    place = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    found = in_child("from lib import source\nsource.resolve('org/name')", **place)
    assert found.returncode and "the hub cannot be reached" in found.stderr.splitlines()[-1]
    assert "an embedded model (pocket, pocket-chat, " in found.stderr


def test_the_pocket_model_and_a_directory_are_found_with_a_fingerprint(gpt2_folder):
    found = source.resolve("pocket")
    assert found.kind == "pocket" and len(found.revision) == 12
    assert source.resolve(str(gpt2_folder)).kind == "directory"


@pytest.mark.parametrize("model", ["a/b/c", "", "no such model", "../nowhere", "org--name"])
def test_what_is_no_name_at_all_is_refused(model):
    with pytest.raises(source.SourceError, match="neither an embedded model"):
        source.resolve(model)


@pytest.mark.parametrize("model", ["Pocket", "SmolLM2-135M-Instruct"])
def test_a_name_in_other_letters_is_told_how_it_is_written(model):
    with pytest.raises(source.SourceError, match=f"'{model.lower()}' is written in small letters"):
        source.resolve(model)


def test_a_revision_of_something_local_is_refused():
    with pytest.raises(source.SourceError, match="has no revisions"):
        source.resolve("pocket", revision="main")


def test_broken_json_names_the_file(tmp_path):
    for name, content in (("config.json", "{"), ("tokenizer.json", "{}"), ("model.safetensors", "")):
        (tmp_path / name).write_text(content)
    with pytest.raises(source.SourceError, match=r"config\.json is not valid JSON"):
        source.resolve(str(tmp_path))


@pytest.mark.parametrize(
    ("model", "folder"), [("org/name@v1", "org--name--v1"), ("pocket", "pocket"), ("gpt2", "gpt2")]
)
def test_slugs_are_safe_folder_names(model, folder):
    assert source.slug(model) == folder


def test_a_revision_is_in_the_slug_however_it_was_given():
    assert source.slug("org/name", revision="v1") == source.slug("org/name@v1") == "org--name--v1"


@pytest.fixture
def own(gpt2_folder, tmp_path):
    """A copy of the tiny GPT-2 to write to."""
    return shutil.copytree(gpt2_folder, tmp_path / "runA" / "final")


def test_two_folders_of_one_name_share_a_slug_only_when_they_hold_the_same(own, tmp_path):
    other = shutil.copytree(own, tmp_path / "runB" / "final")
    assert source.slug(str(own)) == source.slug(str(other)) == f"final--{source.resolve(str(own)).revision}"
    (other / "config.json").write_text((other / "config.json").read_text() + "\n")
    assert source.slug(str(own)) != source.slug(str(other))


def test_a_folder_is_not_called_as_a_published_model_is(own, tmp_path):
    folder = own.rename(tmp_path / "gpt2")
    found = source.resolve(str(folder))
    assert found.name == f"gpt2@{found.revision}" and source.slug(str(folder)) != source.slug("gpt2")


def test_a_bare_name_that_is_also_a_folder_here_is_refused(own, tmp_path, monkeypatch):
    own.rename(tmp_path / "gpt2")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(source.SourceError, match=r"'gpt2' is a folder here .* name './gpt2' or 'gpt2@main'"):
        source.resolve("gpt2")
    assert source.resolve("./gpt2").kind == "directory"


def rewrite_weights(folder):
    """One byte of the last weight is another; length and dates are as before."""
    file = folder / "model.safetensors"
    before, content = file.stat(), bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap_two_tokens(folder):
    known = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = known["model"]["vocab"]
    one, other = list(vocabulary)[300:302]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    (folder / "tokenizer.json").write_text(json.dumps(known))


def change_the_config(folder):
    known = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(known | {"layer_norm_epsilon": 0.5}))


@pytest.mark.parametrize("change", [rewrite_weights, swap_two_tokens, change_the_config])
def test_a_model_is_known_by_its_weights_its_tokenizer_and_its_configuration(change, own):
    first = source.resolve(str(own)).revision
    (own / "README.md").write_text("a note")
    assert source.resolve(str(own)).revision == first
    change(own)
    assert source.resolve(str(own)).revision != first


def test_checkpoints_and_twins_lie_beside_a_local_model(own, tmp_path):
    for name in ("final-step-8", "final-plain", "final-other", "finale-step-8"):
        (own.parent / name).mkdir()
    assert [path.name for path in source.beside(source.resolve(str(own)))] == ["final-plain", "final-step-8"]
    assert source.beside(source.Source("org/name", "hub", "org/name", "0")) == []
