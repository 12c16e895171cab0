"""Names of files that are legal and odd: no command that walks folders or writes names fails on them."""

import csv
import json
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inpaintlab.data import samples

#: What a name is odd by, and its bytes.
NAMES = {
    "not UTF-8": b"caf\xe9",
    "newline": b"new\nline",
    "line separator": "a\u2028b".encode(),
    "250 bytes": "写真".encode() * 40 + b"123456",
    "quotes": b"a \"b\", 'c'",
    "composed": unicodedata.normalize("NFC", "é").encode(),
}
HOLE = np.zeros((40, 40), np.uint8)
HOLE[8:20, 8:20] = 255


def write(path: bytes, pixels):
    with open(path, "wb") as file:  # noqa: PTH123 - Path takes no bytes
        Image.fromarray(pixels).save(file, "PNG")


@pytest.fixture
def folders(tmp_path, request):
    """24 images and masks in `images` and `masks`, one of an odd name, and what systems leave there."""
    name = NAMES[request.param]
    for folder in (b"images", b"masks"):
        Path(folder.decode()).mkdir()
        for index in range(23):
            write(
                folder + b"/%02d.png" % index, samples.draw(index, 40) if folder == b"images" else HOLE
            )
        with open(folder + b"/._00.png", "wb") as file:  # noqa: PTH123
            file.write(b"\0\5\x16\7Mac OS X")
        (Path(folder.decode()) / ".ipynb_checkpoints").mkdir()
        write(folder + b"/.ipynb_checkpoints/00-checkpoint.png", 0 * HOLE)
        (Path(folder.decode()) / "folder.png").mkdir()
    write(b"images/" + name + b".png", samples.draw(23, 40))
    if request.param == "composed":  # the mask has the other form, as it has on another system
        name = unicodedata.normalize("NFD", name.decode()).encode()
    write(b"masks/" + name + b".png", HOLE)
    return tmp_path


COMMANDS = {
    "fill": "fill images masks -o out --run RUN",
    "preview": "fill images masks -o out --run RUN --preview",
    "prepare": "prepare images -o d.dataset",
    "train": "train images --size 32 --steps 1 -s batch_size=4 --masks masks -o r "
    "-s network.name=unet -s network.width=8 -s network.depth=1",
    "evaluate": "evaluate RUN --data images --masks masks -o metrics.html -s learned=false "
    "-s slow_images=0",
    "masks": "masks out --masks masks --count 3 --size 32",
    "align": "align images out --size 32",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("folders", NAMES, indirect=True)
def test_no_command_fails_on_a_name(folders, trained_run, inpaint, command):
    run = shutil.copytree(trained_run, folders / "run")
    words = COMMANDS[command].replace("RUN", str(run)).split()
    for path in list((folders / "images").glob("[012]?.png"))[2:] if command == "align" else []:
        path.unlink()  # looking for a face takes its time
    code, out, err = inpaint([*words, "--json"])
    assert code in (0, 1), err
    assert "Traceback" not in err
    json.loads(out)
    logs = [*folders.rglob("*.json"), *folders.rglob("*.jsonl"), *folders.rglob("*.csv")]
    for path in logs:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            assert list(csv.reader(text.splitlines()))
        else:
            for line in text.split("\n") if path.suffix == ".jsonl" else [text]:
                assert not line or json.loads(line) is not None
    if command == "fill":
        assert json.loads(out)["filled"] == 24
        assert inpaint(words)[1].count("24 were there already") == 1
