"""Fingerprints follow the content, and the cache only saves time: a changed file is never taken for the old one."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from trainables.system.disk_cache import file_sha256, files_sha256, node_lock


def _aged(path: Path, content: bytes, age_seconds: float = 60) -> Path:
    path.write_bytes(content)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - int(age_seconds * 1e9)))
    return path


def test_it_is_the_sha256_of_the_bytes(tmp_path: Path) -> None:
    path = _aged(tmp_path / "a", b"abc")
    expected = hashlib.sha256(b"abc").hexdigest()
    assert file_sha256(path, tmp_path / "cache") == expected
    assert file_sha256(path, tmp_path / "cache") == expected
    assert (tmp_path / "cache" / "fingerprints.json").is_file()


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = _aged(tmp_path / "a", b"abc", 60)
    before = file_sha256(path, tmp_path / "cache")
    _aged(path, b"xyz", 30)
    assert file_sha256(path, tmp_path / "cache") == hashlib.sha256(b"xyz").hexdigest() != before


def test_a_file_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    path = _aged(tmp_path / "a", b"abc", 0)
    file_sha256(path, tmp_path / "cache")
    assert not (tmp_path / "cache" / "fingerprints.json").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}'])
def test_a_damaged_cache_is_an_empty_one(tmp_path: Path, content: str) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "fingerprints.json").write_text(content, encoding="utf-8")
    assert file_sha256(_aged(tmp_path / "a", b"abc"), cache) == hashlib.sha256(b"abc").hexdigest()


def test_several_files_count_by_name_and_content_and_not_by_order(tmp_path: Path) -> None:
    one, two = _aged(tmp_path / "one", b"1"), _aged(tmp_path / "two", b"2")
    together = files_sha256([one, two], tmp_path, tmp_path / "cache")
    assert files_sha256([two, one], tmp_path, tmp_path / "cache") == together
    two.rename(tmp_path / "three")
    assert files_sha256([one, tmp_path / "three"], tmp_path, tmp_path / "cache") != together


def test_one_process_of_a_node_works_while_the_others_wait(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        with node_lock(tmp_path / "a folder" / "it's.lock"):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.02)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == ([1], [0])
