"""Packs of many small files: caches, whatever is in them."""

import uuid
import zipfile

import pytest

from plmtasks.files import Index, index, place


def test_a_damaged_pack_is_no_worse_than_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte of it once: what is told of a file is its content, or nothing, upon which it is read where it lies."""
    monkeypatch.setattr(index, "WORTH", 1)
    root = place(f"memory://{uuid.uuid4().hex}")
    content = {f"m{number}/result.json": b'{"number": %d}' % number * 9 for number in range(3)}
    for path, one in content.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(one)
    assert {path: Index(root, ["result.json"]).read(path) for path in content} == content
    (pack,) = (root / index.FOLDER).iterdir()
    whole = pack.read_bytes()
    assert set(zipfile.ZipFile(pack.open("rb")).namelist()) == {index.MANIFEST, *content}
    monkeypatch.setattr(index, "WORTH", 100)
    for place_ in range(len(whole)):
        pack.write_bytes(whole[:place_] + bytes([whole[place_] ^ 0xFF]) + whole[place_ + 1 :])
        found = Index(root, ["result.json"])
        assert all(found.read(path) in (one, None) for path, one in content.items()), place_
