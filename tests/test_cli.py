"""The real command, in a process of its own where that matters."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from inpaintlab import settings
from inpaintlab.cli.commands import COMMANDS
from inpaintlab.data import samples
from inpaintlab.data.sources import open_dataset
from inpaintlab.settings import LAYOUTS, Flag
from tests import processes
from tests.conftest import save_portraits
from tests.evaluation.test_crossval import Processes

PROJECT = Path(__file__).parents[1]
SMALL = "--size 16 --steps 3 --batch-size 4 -s network.width=8 -s validation_images=4"


def files(tmp_path, size=40):
    """A portrait and a mask."""
    hole = np.zeros((size, size), np.uint8)
    hole[10:20, 8:22] = 255
    Image.fromarray(samples.draw(0, size)).save(tmp_path / "photo.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")


def test_train_evaluate_fill(inpaint, tmp_path):
    code, out, err = inpaint(f"train samples:40 {SMALL} -o run --seed 3")
    assert code == 0, err
    assert "next: inpaint evaluate run" in out
    code, out, err = inpaint("evaluate run --limit 5 --masks strokes")
    assert code == 0, err
    assert "Telea" in out
    assert (tmp_path / "run" / "report.html").is_file()
    files(tmp_path)
    code, out, err = inpaint("fill photo.png mask.png -o out.png --run run")
    assert (code, out) == (
        0,
        "out.png (filled by run)\n"
        "· note: large holes by model: one crop of 40×40 px for a hole of 14×10 px, "
        "filled at 16×16 px\n",
    )
    before, after = (np.asarray(Image.open(tmp_path / name)) for name in ("photo.png", "out.png"))
    hole = np.asarray(Image.open(tmp_path / "mask.png")) > 0
    assert np.array_equal(before[~hole], after[~hole])
    assert not np.array_equal(before, after)


#: Commands whose images must not be learnt from, all run among the photos.
WRITING = (
    "evaluate runs/photos-1 -s learned=false -s slow_images=0 --limit 5",
    "evaluate telea --data samples:5 -s size=32 -s learned=false -s slow_images=0 -o .",
    "masks masks --size 40 --count 3",
    "prepare . -o x.dataset --preview -s size=16",
    "fill 000.png 000_mask.png -o one.png",
    "fill 000.png 000_mask.png -o one.png --preview",
    "fill . -o filled",
    "fill . -o sub",
    "crossval . -s steps=2 --folds 2 --size 16",
)


def test_nobody_trains_on_what_was_written_among_the_photos(inpaint, tmp_path, monkeypatch):
    photos = save_portraits(tmp_path / "photos", 25)
    save_portraits(photos / "sub", 1)
    (photos / "sub" / "000.png").rename(photos / "sub" / "other.png")
    monkeypatch.chdir(photos)
    Processes(monkeypatch)
    assert inpaint(f"train . {SMALL}")[0] == 0
    files(tmp_path)
    shutil.move(tmp_path / "mask.png", "000_mask.png")
    names = open_dataset(".").names
    assert len(names) == 26
    for words in WRITING:
        code, _, err = inpaint(words)
        assert code in (0, 1), (words, err)
        assert open_dataset(".").names == names, words


def test_json_stands_alone_on_stdout(inpaint, trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    files(tmp_path)
    for words in (
        f"train samples:40 {SMALL} --json",
        f"evaluate {run} --limit 3 --json",
        f"fill photo.png mask.png -o out.jpg --run {run} --json",
    ):
        code, out, err = inpaint(words)
        assert code == 0, err
        assert isinstance(json.loads(out), dict)


def test_newest_run_is_the_default(inpaint, tmp_path):
    files(tmp_path)
    by = "the model that comes with inpaintlab"
    assert inpaint("fill photo.png mask.png -o out.png")[1].startswith(f"out.png (filled by {by})\n")
    inpaint(f"train samples:40 {SMALL}")
    code, out, _ = inpaint("fill photo.png mask.png -o out.png")
    assert (code, out.splitlines()[0]) == (0, "out.png (filled by runs/samples-40-1)")


def test_lossy_output_is_told(inpaint, trained_run, tmp_path):
    files(tmp_path)
    _, out, _ = inpaint(f"fill photo.png mask.png -o out.jpg --run {trained_run}")
    assert "note: JPEG is lossy" in out


def folder(tmp_path, count=3):
    """Portraits with masks beside them, `0.png` and `0_mask.png`."""
    (tmp_path / "images").mkdir()
    hole = np.zeros((40, 40), np.uint8)
    hole[10:20, 8:22] = 255
    for index in range(count):
        Image.fromarray(samples.draw(index, 40)).save(tmp_path / "images" / f"{index}.png")
        Image.fromarray(hole).save(tmp_path / "images" / f"{index}_mask.png")


def test_a_folder_is_filled(inpaint, trained_run, tmp_path):
    folder(tmp_path)
    code, out, err = inpaint(f"fill images -o out --run {trained_run}")
    assert (code, out) == (0, f"out: 3 filled (by {trained_run})\n")
    assert err == "paired 3 images with 3 masks by: NAME_mask.png beside NAME.png\n"
    (tmp_path / "images" / "2_mask.png").unlink()
    code, out, _ = inpaint(f"fill images -o out --run {trained_run}")
    assert code == 1
    assert out.startswith(f"out: 0 filled, 2 were there already (by {trained_run})\n")
    assert "finding: 1 image (2.png) without a mask" in out
    code, out, _ = inpaint(f"fill images -o out --run {trained_run} --json")
    assert (code, json.loads(out)["skipped"]) == (1, 2)
    code, out, _ = inpaint("fill images -o out --preview")
    assert (code, out) == (0, "out/preview.png shows the holes in red; nothing was filled\n")


def test_fill_by_a_recipe(inpaint, trained_run, tmp_path):
    folder(tmp_path)
    (tmp_path / "fill.yaml").write_text(f"run: {trained_run}\noutput: out\nformat: webp\n")
    code, _, err = inpaint("fill images --config fill.yaml -s shard=1/3")
    assert code == 0, err
    assert [path.name for path in (tmp_path / "out").glob("*.webp")] == ["0.webp"]


def test_inverted_masks_of_a_folder_are_refused_in_one_line(inpaint, trained_run, tmp_path):
    folder(tmp_path)
    for path in (tmp_path / "images").glob("*_mask.png"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    code, out, err = inpaint(f"fill images -o out --run {trained_run}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "3 of 3 masks looked at seem inverted" in err
    code, out, err = inpaint(f"fill images -o out --run {trained_run} --invert-mask")
    assert code == 0, err


@pytest.mark.parametrize(
    "words",
    [
        "train samples:40 --steps 2 --size 16",
        "check samples:40 --steps 2 --size 16 -s network.width=8 -s rate_steps=20 -s overfit_steps=20",
        "masks out --count 2",
        "evaluate telea --data samples:40 --limit 3 -s size=16 -s learned=false -s slow_images=0",
    ],
)
def test_a_folder_of_inverted_masks_is_refused_at_the_door(inpaint, tmp_path, words):
    (tmp_path / "inverted").mkdir()
    for index in range(3):
        mask = np.full((40, 40), 255, np.uint8)
        mask[10:26, 10 + index : 26] = 0
        Image.fromarray(mask).save(tmp_path / "inverted" / f"{index}.png")
    code, out, err = inpaint(f"{words} --masks ./inverted")
    assert (code, out) == (2, "")
    assert "3 of 3 masks looked at seem inverted" in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inverted"]
    for value in ("true", "false"):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        code, _, err = inpaint(f"{words} --masks ./inverted -s masks.invert={value}")
        assert code in (0, 1), err


def test_recipe_and_resume(inpaint, tmp_path):
    inpaint(f"train samples:40 {SMALL} -o run")
    code, out, err = inpaint("train --config run/recipe.yaml -o again --steps 2")
    assert code == 0, err
    code, out, err = inpaint("train --resume again --steps 4")
    assert (code, "again: 4 steps" in out) == (0, True), err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train", "data is missing: folder of images, prepared dataset, or images drawn by code"),
        ("train empty", "there is no image in"),
        ("train nowhere", "nowhere does not exist"),
        ("train samples:40 --sise 64", "No such option: --sise"),
        ("train samples:40 --wheels off", "--wheels is called --guards now"),
        ("train samples:40 -s batch=4", "batch is called batch_size now"),
        ("train samples:40 -s guards.dorp=true", "the only argument of guards is drop"),
        ("train samples:40 --guards atc", "guards: must be one of act, watch, off, not 'atc'"),
        ("train samples:40 --size big", "size: must be a whole number (got 'big')"),
        ("train samples:40 --size 63", "nearest: "),
        ("train samples:40 --network une", "did you mean 'unet'?"),
        ("train samples:40 --masks rectangels", "did you mean 'rectangles'?"),
        ("train samples:40 -s widht=3", "unknown setting 'widht'"),
        ("train samples:40 --config none.yaml", "cannot read the recipe none.yaml"),
        ("train samples:40 --steps 3 --minutes 3", "give steps or minutes, not both"),
        ("train samples:40 --size 32 --batch-size 900000000", "fits with --batch-size"),
        ("train --resume nowhere", "nowhere does not exist"),
        ("train --resume run -s batch_size=3", "leave out --config and -s"),
        ("train --resume run --batch-size 3", "batch_size cannot change"),
        ("evaluate nowhere", "nowhere is neither a run folder"),
        ("evaluate empty", "is not a run folder"),
        ("fill photo.png mask.png -o out.png --run run", "there is no file photo.png"),
        ("fill photo.png mask.png", "where should the result go?"),
        ("fill photo.png mask.png -o out.png --format gif", "format"),
        ("trian", "No such command 'trian'"),
    ],
)
def test_mistakes_end_in_one_line_and_code_2(inpaint, trained_run, tmp_path, words, message):
    (tmp_path / "empty").mkdir()
    shutil.copytree(trained_run, tmp_path / "run")
    code, out, err = inpaint(words)
    assert code == 2
    assert out == ""
    assert err.startswith("inpaint: ")
    assert err.count("\n") == 1
    assert message in err


#: Commands with a path that is wrong, which is told before anything is read or measured.
WRONG_PATHS = {
    "evaluate run --ood nowhere": "nowhere does not exist",
    "evaluate run --ood broken": "there is no image in broken to evaluate on: the first is x.png",
    "evaluate run --weights fid=nowhere.pth": "there is no file nowhere.pth of weights fid",
    "evaluate run --masks ./nowhere": "there is no mask image in",
    "evaluate run --data nowhere": "nowhere does not exist",
    "evaluate run -o file": "file is a file: -o takes the folder",
    "prepare portraits --against nowhere": "nowhere does not exist",
    "train samples:40 --masks ./nowhere": "there is no mask image in",
    "align portraits out --points nowhere.csv": "nowhere.csv does not exist",
    "diagnose run --data nowhere": "nowhere does not exist",
    "compare run nowhere": "nowhere",
    "fill portraits nowhere -o out --run run": "there is no mask nowhere",
    "fill portraits/000.png portraits/001.png -o out.png --run nowhere": "nowhere",
    "export nowhere": "nowhere",
}
_INTO_A_FILE = ("evaluate run", "prepare portraits", "train samples:40", "crossval samples:40")
_INTO_A_FILE += ("check samples:40", "diagnose run", "export run", "fill portraits portraits --run run")
WRONG_PATHS |= {f"{words} -o file/x": "file is a file, not a folder" for words in _INTO_A_FILE}
WRONG_PATHS |= {f"{words} file/x": "file is a file" for words in ("masks", "align portraits")}


@pytest.mark.parametrize("words", WRONG_PATHS)
def test_paths_are_looked_at_first(inpaint, trained_run, tmp_path, monkeypatch, words):
    save_portraits(tmp_path / "portraits", 3)
    shutil.copytree(trained_run, tmp_path / "run")
    (tmp_path / "file").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.png").write_bytes(b"nope")
    before = sorted(tmp_path.rglob("*"))

    def too_late(*arguments, **options):
        raise AssertionError("something was done before all paths were looked at")

    for name in ("evaluation.bench.Bench.measure", "data.prepare.read_all", "data.leaks.read_all"):
        monkeypatch.setattr(f"inpaintlab.{name}", too_late)
    for name in ("training.trainer.Trainer.take_step", "networks.base.Network.forward"):
        monkeypatch.setattr(f"inpaintlab.{name}", too_late, raising=False)
    code, out, err = inpaint(words)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert WRONG_PATHS[words] in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("words", ["--help", "train --help", "evaluate --help", "--version"])
def test_help_does_not_import_torch(words):
    """Half a second is the promise; importing torch alone takes more."""
    script = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('torch' in sys.modules, 'cv2' in sys.modules))\n"
        f"from inpaintlab.cli import main; sys.argv = ['inpaint', *{words.split()}]; main()"
    )
    out = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert out.rstrip().endswith("False False")


def test_version(inpaint):
    assert inpaint("--version") == (0, f"inpaintlab {version('inpaintlab')}\n", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(inpaint, name):
    """Each flag stands there with what its setting says, and its default."""
    flat = " ".join(inpaint("--help")[1].split())
    assert COMMANDS[name].run.__doc__ in flat
    code, out, err = inpaint(f"{name} --help")
    assert (code, err) == (0, "")
    assert max(len(line) for line in out.splitlines()) <= 80
    flat = " ".join(out.split())
    assert all(flag in flat for flag in ("--config", "-s", "--json", "--verbose", "--plugin"))
    assert ("--resume" in flat) == (name in ("train", "crossval"))
    for setting, field in getattr(settings, COMMANDS[name].settings).model_fields.items():
        mark = next((one for one in field.metadata if isinstance(one, Flag)), None)
        if mark is None:
            continue
        flag = (mark.names or (f"--{setting.replace('_', '-')}",))[-1]
        description = " ".join(field.description.split())
        if isinstance(field.default, bool) or setting == "invert_mask":
            assert flag in flat or flag.replace("--", "--no-") in flat
        else:
            assert re.search(rf"{flag} \S+ {re.escape(description)}", flat), flag
        if isinstance(field.default, int | str) and not isinstance(field.default, bool):
            assert f"{description} [{field.default}]" in flat


PLUGIN = """
from inpaintlab.networks import NETWORKS
from inpaintlab.networks.unet import UNet

@NETWORKS.register("mine")
def mine(width=8):
    return UNet(width=width, depth=1, dilations=[1])
"""


def test_a_plugin_is_named_by_the_user_alone(tmp_path):
    """The real command, as a plugin stays known in a process."""
    (tmp_path / "my_parts.py").write_text(PLUGIN)
    small = "--size 16 --steps 3 --batch-size 4 -s validation_images=4"

    def command(words):
        return processes.run(processes.COMMAND, words.split(), tmp_path)

    done = command(f"train samples:40 {small} --network mine -o run")
    assert (done.returncode, "unknown network 'mine'" in done.stderr) == (2, True), done.stderr
    done = command(f"train samples:40 {small} --network mine -o run --plugin my_parts.py")
    assert done.returncode == 0, done.stderr
    assert "plugins:\n- my_parts.py\n" in (tmp_path / "run/recipe.yaml").read_text()
    files(tmp_path)
    for words in ("evaluate run --limit 2", "fill photo.png mask.png -o o.png --run run"):
        done = command(words)
        assert done.returncode == 2, words
        assert done.stderr.count("\n") == 1, done.stderr
        assert "add --plugin my_parts.py" in done.stderr
        done = command(f"{words} --plugin my_parts.py")
        assert done.returncode == 0, done.stderr
    done = command("train --resume run --steps 4 --plugin my_parts.py")
    assert done.returncode == 0, done.stderr
    assert "- my_parts.py\n" in (tmp_path / "run/recipe.yaml").read_text()
    done = command("train samples:40 --plugin nowhere.py")
    assert (done.returncode, "there is no plugin file" in done.stderr) == (2, True)


def test_a_fault_of_ours_is_one_line_and_a_file_to_report(inpaint, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def fault(*networks, **arguments):
        raise KeyError("overlooked")

    monkeypatch.setattr("inpaintlab.networks.summary.summarise", fault)
    code, out, err = inpaint(["summary", "unet", "--size", "32"])
    assert (code, out, err.count("\n")) == (70, "", 1)
    written = tmp_path / "cache" / "inpaintlab" / "fault.txt"
    assert err.startswith("inpaint: this is a fault of inpaintlab, not yours: KeyError: 'overlooked'")
    assert str(written) in err
    assert "inpaint summary unet --size 32\n\nTraceback" in written.read_text()


def test_bare_command_shows_the_help(inpaint):
    code, out, _ = inpaint("")
    assert code == 0
    assert "Usage: inpaint" in out


def test_entry_point():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"inpaint": "inpaintlab.cli:main"}


def test_prepare_train_and_open_the_seal(inpaint, tmp_path, portraits):
    code, out, err = inpaint(f"prepare {portraits} -o p.dataset")
    assert code == 0, err
    assert (
        "40 of 40 images can be used: 29 to train on, 7 to validate with, 4 sealed for the test" in out
    )
    assert "summary: p.dataset/summary.html" in out
    code, out, err = inpaint(f"train p.dataset {SMALL} -o run")
    assert code == 0, err
    assert "29 images to train on, 7 to validate with, 4 set aside" in err
    code, out, err = inpaint("evaluate run --split test")
    assert code == 0, err
    assert "sealed test" in out
    assert "been used once" in err
    code, out, err = inpaint(f"prepare {portraits} -o p.dataset --json")
    assert json.loads(out)["read_now"] == 0


def test_prepare_against(inpaint, tmp_path, portraits):
    (tmp_path / "other").mkdir()
    shutil.copy(portraits / "003.png", tmp_path / "other" / "x.png")
    code, out, _ = inpaint(f"prepare {portraits} --against other -s near_distance=0")
    assert code == 1
    assert "003.png" in out
    assert "same pixels" in out
    assert "1 of 40 images stand in other, too (1 with the same pixels)" in out
    (tmp_path / "other" / "x.png").unlink()
    Image.new("RGB", (50, 50)).save(tmp_path / "other" / "black.png")
    code, out, _ = inpaint(f"prepare {portraits} --against other --json")
    assert (code, json.loads(out)["pairs"]) == (0, [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("prepare -o x.dataset", "say what to prepare"),
        ("prepare photos", "-o NAME.dataset"),
        ("prepare nowhere -o x.dataset", "does not exist"),
        ("prepare places2 . -o x.dataset", "missing; ask at"),
        ("prepare . -o x.dataset --group-by person", "group_by is folder, name:REGEX or column:NAME"),
        ("prepare . -o x.dataset --group-by name:(", "not a regular expression"),
        ("train samples:40 -s fold=1", "has no folds"),
        ("train none.dataset", "not a prepared dataset"),
    ],
)
def test_mistakes_with_datasets(inpaint, words, message):
    code, out, err = inpaint(words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_known_data_sets_are_the_tables():
    from inpaintlab.data.dataset_layouts import PUBLISHED

    assert set(LAYOUTS) == set(PUBLISHED)


def test_a_summary_fits_a_screen(inpaint, monkeypatch):
    monkeypatch.setattr(
        "inpaintlab.reports.answer.console", lambda: Console(width=80, color_system=None)
    )
    command = "summary unet --size 256 -s network.depth=2 -s network.dilations=[]"
    code, out, err = inpaint(command)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "unet at 256 px, batch 1, hole 128 px" in lines[0]
    assert len(lines) <= 20
    assert all(len(line) <= 80 for line in lines)
    assert any(line.split()[:4] == ["enter.0", "Conv2d", "norm", "SiLU"] for line in lines)
    assert "does not reach beyond the hole" in out
    assert "more rows" in inpaint("summary unet --size 64")[1]
    assert "more rows" not in inpaint("summary unet --size 64 --verbose")[1]


def test_summary_of_several_networks(inpaint):
    code, out, err = inpaint("summary unet --size 64 -s network.width=8 --compare unet")
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("unet ")] == [
        ["unet", "width=8"],
        ["unet", "width=32"],
    ]
    code, out, _ = inpaint("summary --size 64 --compare unet,unet --json")
    assert [part["network"] for part in json.loads(out)["networks"]] == ["unet", "unet"]
    code, out, _ = inpaint("summary --size 64 --compare unet -s network.width=8 --json")
    assert (code, json.loads(out)["networks"][0]["network"]) == (0, "swift")  # whose width it is


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("summary une", "did you mean 'unet'"),
        ("summary --size 60", "nearest: 56 or 64"),
        ("summary --compare unet,une", "did you mean 'unet'"),
        ("summary -s network.widht=8", "did you mean 'width'"),
    ],
)
def test_summary_refuses_in_one_line(inpaint, words, message):
    code, out, err = inpaint(words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
