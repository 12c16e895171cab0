import json

import pytest

from inpaintlab.errors import OutputError
from inpaintlab.files import json_text, write_atomically


def test_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b.txt"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [file.name for file in path.parent.iterdir()] == ["b.txt"]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "b.txt"
    write_atomically(path, b"one")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one"
    assert [file.name for file in tmp_path.iterdir()] == ["b.txt"]


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127, "a\nb", "a\u2028b"])
def test_any_name_that_a_disk_takes(tmp_path, name):
    write_atomically(tmp_path / name, b"one")
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_json_has_no_infinity():
    values = {"a": [1.5, float("-inf"), (float("nan"),)], "b": "ü"}
    assert json.loads(json_text(values)) == {"a": [1.5, None, [None]], "b": "ü"}
    assert "ü" in json_text({"b": "ü"})
