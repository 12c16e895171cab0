"""The whole command on small runs: table, JSON, page, exit codes; and what networks are seen to do."""

import json
import shutil
from hashlib import sha256
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from inpaintlab import masks
from inpaintlab.checkpoints import Run, load_state, save_state, write_json
from inpaintlab.data import samples
from inpaintlab.data.splits import part_of
from inpaintlab.diagnosis.diagnose import VERDICTS, Diagnosis, diagnose
from inpaintlab.diagnosis.evidence import gather
from inpaintlab.diagnosis.measures import measure
from inpaintlab.images import encode_png
from inpaintlab.masks import FrozenMasks
from inpaintlab.tensors import to_tensor
from inpaintlab.training import train
from tests.conftest import small_settings
from tests.diagnosis.illnesses import MADE, made_networks
from tests.diagnosis.test_check import Page

#: A run without a discriminator has no such part, nor one that does not know its limits.
PARTS = [part for part in VERDICTS if part not in ("discriminator", "limits")]


@pytest.fixture
def run(trained_run, tmp_path):
    """A copy of a finished run that may be written into."""
    return shutil.copytree(trained_run, tmp_path / "run")


def test_table_page_and_exit_code(inpaint, run, tmp_path):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    code, out, err = inpaint("diagnose run")
    assert code == 1, out + err  # six steps are too few
    assert all(part in out for part in PARTS)
    assert out.startswith("Begin with number of images; also found: under-fitting")
    assert out.endswith("\npage: run/diagnosis.html\n")  # no flag makes more images
    assert len(out.splitlines()) <= 20
    page, text = Page(), (run / "diagnosis.html").read_text()
    page.feed(text)
    assert page.svgs == 4
    assert [source[:22] for source in page.outside] == ["data:image/png;base64,"]
    assert "Drawn at random" in text
    assert all(path.read_bytes() == old for path, old in before.items())
    assert {p.name for p in run.iterdir()} - {p.name for p in before} <= {
        "diagnosis.html", "state", "incidents",
    }  # fmt: skip


def test_json_says_all_of_it(inpaint, run):
    code, out, _ = inpaint("diagnose run --json -o pages/mine.html -s examples=2")
    found = json.loads(out)
    assert (code, found["healthy"]) == (1, False)
    assert found["findings"] == ["number of images", "under-fitting"]
    assert [part["part"] for part in found["parts"]] == PARTS
    assert Diagnosis.from_dict(found).as_dict() == found
    assert found["page"] == "pages/mine.html"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("diagnose nowhere", "nowhere does not exist"),
        ("diagnose run --data samples:41", "are not those of the run"),
        ("diagnose run -s imags=3", "did you mean 'images'?"),
        ("diagnose run -s images=3", "images: "),
        ("diagnose run -o .", "is a folder"),
    ],
)
def test_mistakes_are_one_line(inpaint, run, words, message):
    code, out, err = inpaint(words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_folder_without_a_run(inpaint, run):
    for name in ("log.jsonl", "model.safetensors"):
        (run / name).unlink()
    code, _, err = inpaint("diagnose run")
    assert code == 2
    assert "neither a log nor weights" in err


def test_a_run_that_left_no_weights_and_half_a_line(run):
    for path in (*run.glob("*.safetensors"), *(run / "state").iterdir()):
        path.unlink()
    with (run / "log.jsonl").open("a") as log:
        log.write('{"kind": "train", "st')
    result = diagnose(run)
    words = {verdict.part: verdict.word for verdict in result.verdicts}
    assert words["over-fitting"] == "note"
    assert words["spikes"] == "ok"


INCIDENT = {
    "alarm": {"kind": "spike", "step": 4, "since": 4, "sentence": "it is 5.0 times that of before"},
    "verdict": {"cause": "data", "sentence": "three images", "experiment": "tried again"},
    "action": "nothing", "images": ["a.png"], "signals": {},
}  # fmt: skip


def test_what_the_guards_wrote_is_evidence(run):
    found = load_state(run / "state" / "training.pt")
    changed = {"excluded": ["a.png", "b.png"], "excluded_steps": [4], "rate_factor": 0.1}
    save_state(run / "state" / "training.pt", found | changed)
    write_json(run / "incidents" / "001" / "incident.json", INCIDENT)
    evidence = gather(Run(run), images=8)
    assert evidence.excluded == ["a.png", "b.png"]
    assert (evidence.excluded_steps, evidence.rate_factor, evidence.steps) == ([4], 0.1, 6)
    assert [one.alarm.kind for one in evidence.incidents] == ["spike"]
    assert len(evidence.ratios) == 7  # all that there are to validate with
    assert evidence.bottleneck is not None  # a U-Net of one level has no skip


def test_the_gap_is_measured_on_images_that_were_trained_on(run):
    evidence = gather(Run(run))
    trained, val = (part.hole_psnr for part in (evidence.best.train, evidence.best.val))
    (logged,) = [x.values["hole_psnr"] for x in evidence.validations if x.step == 6]
    # The very images and holes of the run's own validation, so its very figure.
    assert val.mean() == pytest.approx(logged, abs=1e-3)
    assert len(trained) == len(val)
    assert set(evidence.repeats) == set(range(7))


def portraits(number=24, size=32):
    mixture = masks.make([{"name": "rectangles"}])
    image = to_tensor(np.stack([samples.draw(index, size) for index in range(number)]))
    return image, FrozenMasks(mixture, size, number, 1).batch(0, number)


def seen(name, **arguments):
    image, mask = portraits()
    torch.manual_seed(0)
    network = MADE[name](**arguments).eval()
    return measure(network, image, mask, 7)


def test_networks_are_seen_to_do_what_they_do():
    passing = seen("skipping")
    assert passing.unmoved < 0.05
    assert passing.left_in == "the mean colour of what is known"
    assert seen("skipping", black=True).left_in == "black"
    assert seen("one-image").spread < 0.01
    plain, tinted = seen("rectified"), seen("tinted")
    assert np.allclose(tinted.colour.mean(0) - plain.colour.mean(0), (0.08, -0.02, -0.06), atol=0.03)
    assert seen("seamed").output_edge > 2 * plain.output_edge


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("copy-through", {"network": "skipping", "steps": 20}),
        ("mode collapse", {"network": "one-image", "learning_rate": 0.02, "steps": 60, "guards": "off"}),
        ("learning rate", {"learning_rate": 0.5, "guards": "off", "steps": 60}),
    ],
)
def test_small_ill_runs(tmp_path, part, changes):
    small = {
        "size": 32,
        "batch_size": 8,
        "validate_every": 100,
        "network": {"name": "swift", "width": 16},
    }
    with made_networks():
        settings = {"output": tmp_path / "ill", "data": "samples:120"} | small | changes
        train(small_settings(**settings))
        result = diagnose(tmp_path / "ill")
    assert [verdict.part for verdict in result.findings][:1] == [part], result.headline


def test_twelve_images_by_heart(tmp_path):
    settings = small_settings(
        output=tmp_path / "ill", data=str(lopsided(tmp_path / "few", {"train": 12, "val": 40})), size=32,
        batch_size=8, steps=250, network={"name": "swift", "width": 16}, augment="none",
        learning_rate=3e-3, validate_every=250, validation_images=40,
    )  # fmt: skip
    train(settings)
    result = diagnose(tmp_path / "ill")
    found = result.findings[1]
    assert [one.part for one in result.findings] == ["number of images", "over-fitting"]
    assert sum(one["n"] for one in found.figures["bins"]) == 40


def lopsided(folder, wanted) -> Path:
    """A folder of drawn portraits, so many on each side; the side depends on the file's content."""
    folder.mkdir()
    for index in count():
        image = encode_png(samples.draw(index, 32))
        part = part_of(sha256(image).hexdigest())
        if wanted.get(part, 0):
            (folder / f"{index:03}.png").write_bytes(image)
            wanted[part] -= 1
        if not any(wanted.values()):
            break
    return folder
