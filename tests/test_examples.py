"""The examples run as they stand, and are short."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("name", ["own_network", "own_data"])
def test_an_example_runs(name, tmp_path, capsys):
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](tmp_path / "run", steps=12)
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_fits_a_screen_or_two(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 64
