import os
import shutil

import pytest

from lib import fingerprint


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"first")
    return path


def aged(path):
    """As if nothing had been written to it for an hour."""
    stamp = path.stat().st_mtime_ns - 3_600_000_000_000
    os.utime(path, ns=(stamp, stamp))
    return path


def test_a_fingerprint_is_of_content_and_name_and_of_no_place_or_date(file, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "a.bin"
    shutil.copy(file, copy)
    aged(copy)
    here = fingerprint.of_files([file], root=file.parent)
    assert fingerprint.of_files([copy], root=copy.parent) == here and len(here) == fingerprint.DIGITS
    renamed = copy.rename(copy.with_name("b.bin"))
    assert fingerprint.of_files([renamed], root=renamed.parent) != here


def test_a_file_is_read_once_and_again_when_it_was_written_to(file, monkeypatch):
    monkeypatch.setattr(fingerprint, "YOUNG", -1)  # it counts as old
    reads, digest = [], fingerprint.hashlib.file_digest
    monkeypatch.setattr(fingerprint.hashlib, "file_digest", lambda *given: reads.append(1) or digest(*given))
    first = fingerprint.of_file(file)
    assert fingerprint.of_file(file) == first and len(reads) == 1
    before = file.stat()
    os.replace(shutil.copy(file, file.with_name("c.bin")), file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as old and as long as before
    assert fingerprint.of_file(file) == first and len(reads) == 2


def test_a_file_that_was_just_written_is_not_remembered(file):
    first = fingerprint.of_file(file)
    file.write_bytes(b"other")  # as long, and within one tick of the clock
    assert fingerprint.of_file(file) != first


def test_values_differ_by_what_they_hold_and_not_by_its_order():
    assert (
        fingerprint.of({"a": 1, "b": "é"}) == fingerprint.of({"b": "é", "a": 1}) != fingerprint.of({"a": 1, "b": "e"})
    )
    assert fingerprint.of("\udcff") != fingerprint.of("?")  # a file name that is no UTF-8
