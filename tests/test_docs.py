"""README and docs say what is true."""

import re
import shlex
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaintlab import masks, networks, settings as settings_room
from inpaintlab.cli.commands import COMMANDS
from inpaintlab.data import augment, samples
from inpaintlab.settings import TrainSettings, build
from inpaintlab.training import curriculum, objectives
from tests.conftest import save_portraits

PROJECT = Path(__file__).parents[1]
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


#: Taken down before any test registers a part of its own.
OURS = {
    "networks": list(networks.NETWORKS),
    "objectives": list(objectives.OBJECTIVES),
    "curricula": list(curriculum.CURRICULA),
    "masks": list(masks.KINDS),
}


def test_navigation_is_complete():
    listed = re.findall(r"[\w/-]+\.md", (PROJECT / "mkdocs.yml").read_text())
    pages = [str(path.relative_to(PROJECT / "docs")) for path in PAGES if "docs" in path.parts]
    assert sorted(listed) == sorted(pages)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_setting_is_in_the_reference_as_it_is(command):
    kind = getattr(settings_room, COMMANDS[command].settings)
    page = (PROJECT / "docs/reference/settings.md").read_text()
    for name, field in kind.model_fields.items():
        # Two commands may have the same setting.
        rows = {
            line
            for line in page.splitlines()
            if line.startswith(f"| `{name}` |")
            and line.endswith(f"| {' '.join(field.description.split())} |")
        }
        assert rows, name
        default = field.get_default(call_default_factory=True)
        if isinstance(default, int | float | str):
            assert any(f"| {default} |" in row for row in rows), name


def arguments_of(objective):
    """Arguments of an objective; of a preset those that it sets."""
    full, made = objectives.resolve(objective, {}), objectives.OBJECTIVES[objective]
    return {key: full[key] for key in made.keywords} if isinstance(made, partial) else full


@pytest.mark.parametrize("name", objectives.OBJECTIVES)
def test_defaults_of_objectives_are_in_the_reference(name):
    page = (PROJECT / "docs/reference/settings.md").read_text()
    for argument, value in arguments_of(name).items():
        shown = "none" if value is None else value
        assert f"| `{name}` | `{argument}` | {shown} |" in page


def test_arguments_of_parts_are_in_the_reference():
    page = (PROJECT / "docs/reference/settings.md").read_text()
    tables = [(name, networks.resolve(name, {})) for name in OURS["networks"]]
    tables += [(name, arguments_of(name)) for name in OURS["objectives"]]
    tables += [(name, curriculum.resolve(name, {})) for name in OURS["curricula"]]
    tables += [
        (name, masks.resolve(name, {"path": "p"} if name == "folder" else {})) for name in OURS["masks"]
    ]
    for name, arguments in tables:
        for argument in arguments.keys() - {"name", "weight"}:
            assert f"| `{name}` | `{argument}` |" in page


def test_presets_of_augmentation_are_in_the_reference():
    page = (PROJECT / "docs/reference/settings.md").read_text()
    presets = [augment.AUGMENTATIONS.resolve(name, {}) for name in augment.AUGMENTATIONS]
    for argument in presets[0]:
        assert f"| `{argument}` | {' | '.join(str(preset[argument]) for preset in presets)} |" in page


def commands(path):
    """Commands of the command line in the code blocks of a page."""
    blocks = re.findall(r"```(?:sh|bash)?\n(.*?)```", path.read_text(), flags=re.S)
    return [
        line.strip() for block in blocks for line in block.splitlines() if line.startswith("inpaint ")
    ]


def test_commands_of_the_readme_run(tmp_path, inpaint):
    """Word for word, but with budgets and images that take seconds."""
    save_portraits(tmp_path / "photos", 40)
    Image.fromarray(samples.draw(1, 40)).save(tmp_path / "photo.png")
    hole = Image.new("L", (40, 40))
    hole.paste(255, (10, 10, 20, 22))
    hole.save(tmp_path / "mask.png")
    (tmp_path / "masks").mkdir()
    for index in range(40):
        hole.save(tmp_path / f"masks/{index:03}.png")
    found = commands(PROJECT / "README.md")
    assert {line.split()[1] for line in found} == {
        *("prepare", "check", "train", "evaluate", "compare", "diagnose", "probe"),
        *("fill", "export", "serve"),
    }
    for line in found:
        if line.startswith("inpaint serve "):
            continue  # it would not end; tests/serving/test_server.py starts and ends it
        line = line.replace("../shared/data/faces", "photos")
        words = shlex.split(re.sub(r"--minutes \S+", "", line).split("#")[0])
        if words[1] == "check":
            words += shlex.split("--size 32 --batch-size 4 -s seconds=1 -s validation_images=4")
        if words[1] == "export":
            words += ["-s", "checks=2"]
        if words[1] == "compare":
            shutil.copytree("runs/photos-1", "runs/photos-2")
        if words[1] == "train":
            small = "--size 32 --batch-size 4 -s network.width=8 -s validation_images=4"
            budget = "--steps 4" if "--resume" in words else "--steps 3"
            words += shlex.split(budget if "--resume" in words else f"{budget} {small}")
        code, _, err = inpaint(words[1:])
        # A check of so little may find something, a diagnosis of so few steps does; that is 1.
        fine = {0, 1} if words[1] in ("check", "diagnose") else {0}
        assert code in fine, f"{line}\n{err}"


@pytest.mark.parametrize(
    "recipe", sorted((PROJECT / "recipes").glob("*.yaml")), ids=lambda path: path.stem
)
def test_recipes_are_settings_and_name_their_score(recipe):
    settings = build(TrainSettings, config=recipe, flags={"data": "photos"})
    networks.create(settings.network.name, **settings.network.arguments)
    masks.make(settings.masks)
    head = "".join(line for line in recipe.read_text().splitlines() if line.startswith("#"))
    assert all(word in head for word in ("inpaint train", "hardware", "seed", "score"))


def test_the_demo_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(PROJECT / "examples")
    import demo

    demo.main(tmp_path / "demo", minutes=0.03, portraits=60)
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {"report.html", "examples.png", "sample-filled.png", "model.safetensors"} <= names
    assert "report.html" in capsys.readouterr().out


def test_python_of_the_readme_runs(tmp_path, monkeypatch):
    """Word for word, but with a budget that takes seconds."""
    monkeypatch.chdir(tmp_path)
    save_portraits(tmp_path / "photos", 40, size=64)
    (block,) = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(), flags=re.S)
    hole = np.zeros((50, 40), bool)
    hole[10:20, 10:22] = True
    given = {
        "image": samples.draw(1, 50)[:, :40],
        "mask": hole,
        "my_function": lambda image, mask: image / 2,
    }
    exec(block.replace("minutes=10", "steps=3"), given)  # noqa: S102 - our own page
    assert list(given["result"].overall.methods)[-3:] == ["mine", "blur", "telea"]
    assert (tmp_path / given["run"] / "model.safetensors").is_file()


def test_python_of_the_docs_compiles_and_names_what_exists():
    import inpaintlab

    for path in PAGES:
        for block in re.findall(r"```python\n(.*?)```", path.read_text(), flags=re.S):
            compile(block, str(path), "exec")
            for names in re.findall(r"from inpaintlab import (.*)", block):
                assert all(name.strip() in inpaintlab.__all__ for name in names.split(","))
