"""The examples run as they stand, and are short; `make check` reads their types."""

import runpy
from pathlib import Path

import pytest

from tests import processes

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("name", ["own_network", "own_data", "own_objective"])
def test_a_run_of_your_own(name, tmp_path, capsys):
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](tmp_path / "run", steps=12)
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert capsys.readouterr().out.strip()


def test_a_method_of_your_own(tmp_path, capsys):
    runpy.run_path(str(EXAMPLES / "own_method.py"))["main"](tmp_path, count=12)
    assert "worst_pixel" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "worst_pixel: " in capsys.readouterr().out


def test_parts_of_your_own_on_the_command_line(tmp_path):
    words = ["--plugin", str(EXAMPLES / "own_parts.py"), "--steps", "4", "--size", "32", "-o", "run"]
    parts = ["--network", "plain", "--masks", "left-half", "--augment", "grain"]
    done = processes.run(processes.COMMAND, ["train", "samples:40", *words, *parts], tmp_path)
    assert done.returncode == 0, done.stderr
    recipe = (tmp_path / "run" / "recipe.yaml").read_text(encoding="utf-8")
    assert all(name in recipe for name in ("plain", "left-half", "grain", "own_parts.py"))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_fits_a_screen_or_two(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60
