from __future__ import annotations

from pathlib import Path

import pytest

from proxy import limits
from proxy.config import sources


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "any.name"
    file.write_bytes(b"a: \xff")

    assert [(str(file), b"a: \xff")] == sources.read(file)


def test_a_directory_is_read_in_name_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("20.yaml", "10.yml", ".30.yaml", "40.yaml~", "50.json"):
        (tmp_path / name).write_text(name)

    assert ["10.yml", "20.yaml"] == [Path(file).name for file, _ in sources.read(tmp_path)]


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(sources.Unreadable, match="No such file"):
        sources.read(tmp_path / "none.yaml")


def test_a_directory_without_yaml_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(sources.Unreadable, match="put at least one there"):
        sources.read(tmp_path)


def test_the_bound_is_on_all_files_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONFIG_BYTES_MAX", 10)
    (tmp_path / "1.yaml").write_text("a: 123")
    (tmp_path / "2.yaml").write_text("b: 12")

    with pytest.raises(sources.Unreadable) as raised:
        sources.read(tmp_path)

    assert str(tmp_path / "2.yaml") == raised.value.file


def test_a_file_of_exactly_the_bound_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONFIG_BYTES_MAX", 6)
    (tmp_path / "1.yaml").write_text("a: 123")

    assert 1 == len(sources.read(tmp_path))


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONFIG_FILES_MAX", 1)
    for name in ("1.yaml", "2.yaml"):
        (tmp_path / name).write_text("")

    with pytest.raises(sources.Unreadable, match="has 2 files; 1 are allowed"):
        sources.read(tmp_path)


def test_the_digest_knows_where_one_part_ends() -> None:
    assert sources.digest([b"ab", b"c"]) != sources.digest([b"a", b"bc"])
