import json
import shlex
import shutil
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import inpaintlab as il
from inpaintlab import masks
from inpaintlab.baselines import BASELINES, SLOW, title
from inpaintlab.checkpoints import ModelCard, save_model
from inpaintlab.cli import main
from inpaintlab.data import leaves, samples
from inpaintlab.errors import DataError, MaskError, RunError, SettingError
from inpaintlab.evaluation import evaluate as evaluate_module
from inpaintlab.evaluation.command import reproduce, run_evaluation
from inpaintlab.evaluation.compare import compared
from inpaintlab.evaluation.corruptions import CORRUPTIONS
from inpaintlab.evaluation.evaluation import Evaluation
from inpaintlab.evaluation.methods import name_of, open_methods
from inpaintlab.evaluation.statistics import Interval
from inpaintlab.evaluation.tables import headline, not_measured, notes, overall_table, ratio_table
from inpaintlab.inpainter import Inpainter
from inpaintlab.inpainter.export import export
from inpaintlab.metrics import METRICS, RealOrFilled, relative_diversity
from inpaintlab.randomness import MASK_SEED
from inpaintlab.runs import read_log
from inpaintlab.settings import EvaluateSettings, ExportSettings
from inpaintlab.tensors import to_tensor
from inpaintlab.training import Trainer, train
from inpaintlab.training.objectives import Reconstruction
from tests.conftest import save_portraits, small_settings


@pytest.fixture
def run(trained_run, tmp_path):
    """A copy of the shared run, in another place than it was trained."""
    return shutil.copytree(trained_run, tmp_path / "copied")


def settings(run, **changes):
    quick = {"learned": False, "slow_images": 2}
    return EvaluateSettings.model_validate({"models": [str(run)], **quick, **changes})


def evaluate(settings):
    return run_evaluation(settings).result


#: The baselines that are run on every image.
QUICK = [name for name in BASELINES if name not in SLOW]


def test_table_of_a_run(run):
    result = evaluate(settings(run))
    assert list(result.overall.methods) == [*QUICK, "copied"]
    assert result.model == "copied"
    for of in result.overall.methods.values():
        assert list(of)[: len(METRICS)] == list(METRICS)
    assert sum(row.n for row in result.bins.values()) == result.overall.n
    assert list(result.bins) == sorted(result.bins)
    assert Evaluation.read(run / "metrics" / "val.json") == replace(result, cards={})
    assert Evaluation.from_dict(json.loads(json.dumps(result.as_dict()))) == result


def test_real_or_filled_is_a_figure_like_any_other(monkeypatch):
    """Of methods that fill every image; with intervals, by hole ratio, in rows that go to files."""
    monkeypatch.setattr(evaluate_module, "RealOrFilled", partial(RealOrFilled, steps=1))
    random = np.random.default_rng(0)
    photos = [random.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(100)]
    quick = {"size": 16, "learned": False, "real_or_filled": True, "slow_images": 2}
    grey = {"grey": lambda image, mask: image * 0 + 0.5}
    result = il.evaluate(grey, photos, baselines=["mean-colour", "biharmonic"], **quick)
    for name in ("mean-colour", "grey"):
        found = result.overall.methods[name]["told_percent"]
        assert found.low <= found.mean <= found.high
    assert set(result.rows.column("grey", "told_percent")) <= {0, 50, 100}
    assert "told_percent" not in result.slow.methods["biharmonic"]
    assert "told % ↓" in overall_table(result).text()
    assert Evaluation.from_dict(result.as_dict()).rows == result.rows
    assert result.paired("grey", "mean-colour", "told_percent").mean == pytest.approx(
        result.overall.methods["grey"]["told_percent"].mean
        - result.overall.methods["mean-colour"]["told_percent"].mean
    )
    with pytest.raises(SettingError, match="takes at least 100 images, there are 99: give more"):
        il.evaluate(grey, photos[1:], **quick)


def varied():
    """A network to whose noise its fresh weights listen."""
    torch.manual_seed(0)
    network = il.create("unet", width=8, depth=1, dilations=(1,), noise=3)
    for part in network.vary:
        part.linear.weight.data.mul_(10)
    return network


def test_fills_of_a_network_that_varies_are_set_beside_each_other():
    """Two figures more, the same for batches of any size, also where an image is left for the last."""
    photos = [samples.draw(index, 32) for index in range(9)]
    models = {"varied": varied(), "plain": il.create("unet", width=8, depth=1, dilations=(1,))}
    quick = {"size": 32, "learned": False, "baselines": ["mean-colour"]}
    result, *others = (il.evaluate(models, photos, batch_size=size, **quick) for size in (64, 4, 1))
    assert "diversity ↑" in ratio_table(result).text()
    assert "diversity" not in overall_table(result).text()  # a terminal has room for the main ones
    for name in ("plain", "mean-colour"):
        assert not {"diversity", "best_hole_psnr"} & set(result.overall.methods[name])
    apart, best, usual = (
        result.rows.column("varied", name) for name in ("diversity", "best_hole_psnr", "hole_psnr")
    )
    assert (apart > 0).all()
    assert (best >= usual).all()
    assert (best > usual).any()
    for other in others:
        for name, column in {"diversity": apart, "best_hole_psnr": best}.items():
            assert other.rows.column("varied", name) == pytest.approx(column, rel=1e-4)
    assert Evaluation.from_dict(json.loads(json.dumps(result.as_dict()))).rows == result.rows
    pair = compared(result.rows, "plain", "varied")
    assert "best_hole_psnr" not in pair.overall.metrics


def test_diversity_is_beside_other_images_where_an_image_has_several_masks():
    photos = [samples.draw(index, 32) for index in range(5)]
    quick = {"masks": "nvidia-style-v1", "size": 32, "learned": False, "baselines": []}
    result = il.evaluate({"varied": varied()}, photos, batch_size=12, **quick)
    frozen = masks.frozen("nvidia-style-v1", 32, 5, MASK_SEED)
    per = frozen.per_image
    truth, mask = to_tensor(np.repeat(photos, per, 0)), frozen.batch(0, 5 * per)
    method = open_methods({"varied": varied()}, "network", 32)["varied"]
    others = [truth.roll(by * per, 0) for by in range(1, 5)]
    expected = relative_diversity(method.variants(truth, mask, 4), truth, mask, others)
    assert result.rows.column("varied", "diversity") == pytest.approx(expected.numpy(), rel=1e-4)


@pytest.mark.parametrize("missing", ["a second image", "images of one size", "variants"])
def test_without_others_to_set_them_beside_there_is_no_diversity(missing):
    photos = [samples.draw(index, 40)[: 32 + index] for index in range(3)]
    how = {"through": "fill"}
    if missing != "images of one size":
        photos, how = [samples.draw(0, 32)] * (1 if missing == "a second image" else 3), {}
    count = 0 if missing == "variants" else 3
    result = il.evaluate(
        {"varied": varied()}, photos, size=32, learned=False, baselines=[], variants=count, **how
    )
    found = result.overall.methods["varied"]
    assert "diversity" not in found
    assert ("best_hole_psnr" in found) == (missing != "variants")


@pytest.mark.parametrize(("words", "there"), [((), True), (("-s", "variants=0"), False)])
def test_the_command_tells_of_variants(tmp_path, inpaint, words, there):
    arguments = {"width": 8, "depth": 1, "dilations": (1,), "noise": 3}
    Inpainter(varied(), ModelCard("unet", arguments, 32)).save(tmp_path / "varied.safetensors")
    line = f"evaluate {tmp_path}/varied.safetensors --data samples:6 -o out --masks rectangles"
    code, _, err = inpaint([*line.split(), "-s", "learned=false", "-s", "slow_images=0", *words])
    assert code == 0, err
    (path,) = (tmp_path / "out" / "metrics").glob("*.json")
    assert ("diversity" in Evaluation.read(path).overall.methods["varied"]) == there
    assert ("best hole PSNR" in (tmp_path / "out" / "report.html").read_text()) == there


def test_overall_is_the_mean_over_all_images(run):
    result = evaluate(settings(run))
    rows = result.bins.values()
    for method, metrics in result.overall.methods.items():
        for metric, value in metrics.items():
            total = sum(row.methods[method][metric].mean * row.n for row in rows)
            assert value.mean == pytest.approx(total / result.overall.n, abs=1e-9)


def test_agrees_with_the_validation_of_the_run(run):
    """Same images, same frozen masks: only rounding to 8 bits lies between the two."""
    best = max(line["hole_psnr"] for line in read_log(run / "log.jsonl", "validation"))
    result = evaluate(settings(run))
    assert result.overall.methods[result.model]["hole_psnr"].mean == pytest.approx(best, abs=0.02)


def test_repeats_exactly_and_masks_are_named(run):
    first, second = evaluate(settings(run)), evaluate(settings(run))
    assert first == second
    other = evaluate(settings(run, masks=["strokes"]))
    assert other.masks.hash != first.masks.hash
    assert other.masks.parts[0]["name"] == "strokes"


def test_mask_folder(run, tmp_path):
    for index, side in enumerate((8, 16, 24)):
        mask = np.zeros((32, 32), np.uint8)
        mask[:side, :side] = 255
        (tmp_path / "m").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "m" / f"{index}.png")
    result = evaluate(settings(run, masks=[{"name": "folder", "path": str(tmp_path / "m")}]))
    assert set(result.bins) <= {"0–10 %", "20–30 %", "50–60 %"}
    with pytest.raises(MaskError, match="no mask image"):
        evaluate(settings(run, masks=[{"name": "folder", "path": str(tmp_path / "none")}]))


def test_images_that_were_trained_on_are_left_out(tmp_path, capsys):
    folder = save_portraits(tmp_path / "images", 40)
    run = train(small_settings(data=str(folder), output=tmp_path / "run", size=32)).folder
    trained_on = json.loads((run / "data.json").read_text())["train"]
    result = evaluate(settings(run, data=str(folder)))
    assert result.overall.n == 40 - trained_on
    assert f"{trained_on} images were trained on by a method: excluded" in capsys.readouterr().err
    assert len(list((run / "metrics").glob("images-??????.json"))) == 1
    only_known = tmp_path / "known"
    only_known.mkdir()
    for path in folder.iterdir():
        shutil.copy(path, only_known)
    hashes = set(json.loads((run / "data.json").read_text())["train_hashes"])
    for path in only_known.iterdir():
        if sha256(path.read_bytes()).hexdigest()[:16] not in hashes:
            path.unlink()
    with pytest.raises(DataError, match="to evaluate on that no method has learnt from"):
        evaluate(settings(run, data=str(only_known)))


def test_every_row_is_kept(run):
    result = evaluate(settings(run))
    kept = Evaluation.read(run / "metrics" / "val.json").rows
    assert len(kept) == result.overall.n
    assert kept.only([*QUICK, "copied"]).summary() == result.overall
    assert [kept.where("bin", name).sum() for name in result.bins] == [r.n for r in result.bins.values()]


def test_slow_methods_have_a_table_of_their_own(run):
    result = evaluate(settings(run, slow_images=3))
    assert result.slow.n == 3
    assert set(result.slow.methods) == {*BASELINES, "copied"}
    assert evaluate(settings(run, slow_images=0)).slow is None


def test_another_run_stands_beside_it(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "other" / "copied")
    result = evaluate(settings(run, models=[str(run), str(other)]))
    assert list(result.overall.methods) == [*QUICK, "copied", "copied (2)"]
    assert result.overall.methods["copied"] == result.overall.methods["copied (2)"]
    assert result.paired("copied", "copied (2)") == Interval(0, *([None] * 2))


def test_networks_of_two_sizes_stand_in_one_table_through_fill_alone(run, tmp_path):
    other = train(small_settings(output=tmp_path / "small")).folder
    models = [str(run), str(other)]
    with pytest.raises(SettingError, match=r"copied at 32 px, small at 16 px.*through fill"):
        evaluate(settings(run, models=models))
    result = evaluate(settings(run, models=models, through="fill", limit=2))
    assert (result.size, result.through, result.masks.size) == (None, "fill", None)
    assert list(result.overall.methods) == [*QUICK, "copied", "small"]
    assert (run / "metrics" / "val-fill-n2.json").is_file()


def test_through_fill_is_what_a_user_gets(run, tmp_path):
    """Images of different sizes, none of them that of the network, each filled by `Inpainter.fill`."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, (height, width) in enumerate([(70, 50), (41, 96), (33, 33)]):
        Image.fromarray(samples.draw(index, 96)[:height, :width]).save(folder / f"{index}.png")
    result = evaluate(settings(run, data=str(folder), through="fill", masks=["rectangles"]))
    assert len(result.rows) == 3
    inpainter = Inpainter.load(run)
    frozen = masks.frozen([{"name": "rectangles"}], [(70, 50)], 1, MASK_SEED)
    photo = np.array(Image.open(folder / "0.png"))
    filled = inpainter.fill(photo, frozen.array(0) > 0)
    expected = METRICS["hole_psnr"](to_tensor(filled), to_tensor(photo), frozen.batch(0, 1))
    assert result.rows.values["copied"]["hole_psnr"][0] == pytest.approx(float(expected))
    assert "at their own size, filled as a user fills them" in (run / "report.html").read_text()


PLUGIN = """
import torch
import inpaintlab as il

@il.register_network("half")
class Half(torch.nn.Module):
    multiple_of, min_size = 8, 16
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.5))
    def forward(self, image, mask):
        assert image.shape[-1] % 8 == 0
        return torch.where(mask > 0, self.weight, image)
"""


def test_a_run_a_baseline_an_onnx_file_and_a_plugin_in_one_table(run, tmp_path, inpaint):
    pytest.importorskip("onnxruntime")
    (tmp_path / "mine.py").write_text(PLUGIN)
    weights = tmp_path / "half.safetensors"
    save_model(weights, {"weight": torch.tensor(0.5)}, ModelCard("half", {}, 24))
    exported = tmp_path / "exported.onnx"
    export(ExportSettings.model_validate({"run": run, "output": exported}))
    folder = save_portraits(tmp_path / "photos", 3, size=45)
    words = ["evaluate", str(run), "telea", str(exported), str(weights), "--data", str(folder)]
    words += [
        "--plugin",
        str(tmp_path / "mine.py"),
        "--through",
        "fill",
        "-s",
        "slow_images=0",
        "-s",
        "learned=false",
    ]
    code, out, err = inpaint(words)
    assert code == 0, err
    (path,) = (run / "metrics").glob("photos-??????-fill.json")
    result = Evaluation.read(path)
    assert list(result.overall.methods)[-4:] == ["copied", "telea", "exported", "half"]
    own, onnx = (result.rows.values[name]["hole_psnr"] for name in ("copied", "exported"))
    assert own == pytest.approx(onnx, abs=0.1)
    assert len(out.splitlines()) <= 20
    for line in ("exported", "half", "Telea", f"report: {run / 'report.html'}"):
        assert line in out


def test_a_run_of_a_module_of_ones_own_beside_other_methods(run, tmp_path):
    """No name is registered for it: the run brings its network along."""

    class Mine(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = torch.nn.Conv2d(4, 3, 3, padding=1)

        def forward(self, image, mask):
            return self.convolution(torch.cat([image, mask], 1))

    options = {"size": 32, "batch_size": 4, "validate_every": 2, "validation_images": 4}
    trainer = Trainer(Mine(), Reconstruction(), "samples:40", output=tmp_path / "mine", **options)
    mine = trainer.fit(steps=2)
    beside = {"mine": mine, "loaded": il.load(run), "grey": lambda image, mask: image * 0 + 0.5}
    result = il.evaluate({**beside, "telea": "telea"}, "samples:60", learned=False, slow_images=0)
    assert list(result.overall.methods) == ["mean-colour", "navier-stokes", *beside, "telea"]
    trained = set(json.loads((tmp_path / "mine" / "data.json").read_text())["train_hashes"])
    assert not trained & set(result.rows.facts["sha256"])
    facts = result.methods["mine"]
    assert (facts.size, facts.run) == (32, "mine")
    difference = result.paired("mine", "grey", "hole_psnr")
    assert difference.low < difference.mean < difference.high


def test_a_network_that_takes_other_sizes_is_padded_and_cropped():
    class Half(torch.nn.Module):
        multiple_of, min_size = 16, 32

        def forward(self, image, mask):
            assert image.shape[-2:] == mask.shape[-2:] == (48, 48)
            return torch.full_like(image, 0.5)

    half = Half()
    beside = {"half": half, "function": lambda image, mask: torch.full_like(image, 0.5)}
    result = il.evaluate(beside, "samples:3", size=40, learned=False, slow_images=0)
    assert result.rows.values["half"]["hole_psnr"].tolist() == (
        result.rows.values["function"]["hole_psnr"].tolist()
    )
    assert half.training  # it is given back as it came


def test_no_method_sees_the_truth():
    result = il.evaluate(lambda image, mask: image, "samples:3", size=16, learned=False, slow_images=0)
    black = il.evaluate(
        lambda image, mask: image * 0, "samples:3", size=16, learned=False, slow_images=0
    )
    assert result.overall.methods["<lambda>"] == black.overall.methods["<lambda>"]


def test_no_baseline_of_a_user_sees_the_truth_either():
    il.register_baseline("cheat", lambda image, hole: image)
    il.register_baseline("black", lambda image, hole: image * 0)
    means = il.evaluate("telea", "samples:3", size=16, learned=False, slow_images=0).overall.methods
    assert means["cheat"] == means["black"]


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (
            lambda image, mask: image[..., :-1],
            r"gives \[4, 3, 16, 15\], expected",
        ),
        (lambda image, mask: image / 0, "values that are not finite"),
        (lambda image, mask: None, "gives NoneType"),
        (3, "is int: give a function"),
        ("tela", r"neither a run folder.* did you mean 'telea'"),
    ],
)
def test_methods_that_are_none(method, words):
    with pytest.raises(SettingError, match=words):
        il.evaluate({"mine": method}, "samples:4", size=16, learned=False)


@pytest.mark.parametrize("through", ["network", "fill"])
def test_images_may_be_a_list_or_a_dataset(through):
    arrays = [samples.draw(index, 40)[: 30 + index] for index in range(3)]
    grey = {"grey": lambda image, mask: image * 0 + 0.5}
    options = {"size": 24, "learned": False, "slow_images": 0, "through": through, "masks": "strokes"}
    one = il.evaluate(grey, arrays, **options)
    assert (one.overall.n, one.part) == (3, "given")
    pairs = [(Image.fromarray(array), "label") for array in arrays]
    assert il.evaluate(grey, pairs, **options).overall == one.overall
    with pytest.raises(DataError, match=r"a dataset is a folder, .* got int"):
        il.evaluate(grey, 3, **options)
    with pytest.raises(DataError, match="is a int: an image is"):
        il.evaluate(grey, [3, 4], **options)


def test_without_a_size_it_is_asked_for():
    with pytest.raises(SettingError, match="say size="):
        il.evaluate("telea", "samples:4")
    with pytest.raises(SettingError, match=r"say size=.*'mine' was trained on"):
        il.evaluate({"mine": torch.nn.Identity()}, "samples:4", through="fill")
    with pytest.raises(SettingError, match="say on which images"):
        run_evaluation(settings("telea", size=16))


def test_names_that_say_how_a_model_fills_stand_side_by_side():
    names = ["default@model", "default@model+detail", "default"]
    opened = open_methods({name_of(name): name for name in names}, "fill")
    image, mask = to_tensor(leaves.draw(70_000, 96)), torch.zeros(1, 1, 96, 96)
    mask[..., 30:60, 30:60] = 1
    model, detail, auto = (opened[name].fill(image, mask) for name in names)
    assert not torch.equal(model, detail)
    assert torch.equal(detail, auto)
    with pytest.raises(SettingError, match="measure it with --through fill"):
        open_methods({"mine": names[0]})


def test_results_are_written_into_a_folder_of_their_own_without_a_run(tmp_path):
    written = run_evaluation(settings("telea", size=16, data="samples:4"))
    assert written.folder.folder == Path("runs/samples-4-evaluation-1")
    assert written.folder.report.is_file()
    asked = settings("telea", size=16, data="samples:4", output=tmp_path / "here")
    assert run_evaluation(asked).folder.folder == tmp_path / "here"


def test_a_notebook_shows_a_table_and_images():
    result = il.evaluate("telea", "samples:3", size=16, learned=False, slow_images=0)
    html = result._repr_html_()
    assert "<table>" in html
    assert "data:image/webp" in html
    again = Evaluation.from_dict(result.as_dict())
    assert again._repr_html_() == html
    frame = result.to_pandas()
    assert len(frame) == 3 * len(result.overall.methods)
    means = frame.groupby("method")["hole_psnr"].mean()
    assert means["telea"] == pytest.approx(result.overall.methods["telea"]["hole_psnr"].mean)
    with pytest.raises(SettingError, match="no method 'tela' was measured, did you mean 'telea'"):
        result.paired("tela", "mean-colour")


def test_images_elsewhere_and_images_changed(run, tmp_path):
    folder = save_portraits(tmp_path / "elsewhere", 60)
    result = evaluate(settings(run, ood=[str(folder)], corruptions=True, corruption_images=4))
    (there,) = result.ood
    assert there.summary.n > 0
    psnr = [of.methods["copied"]["hole_psnr"].mean for of in (result.overall, there.summary)]
    assert there.loss.mean == pytest.approx(psnr[0] - psnr[1])
    assert len(result.corruptions.rows) == 5 * len(CORRUPTIONS)
    for row in result.corruptions.rows:
        own = result.corruptions.hole_psnr.mean
        assert row.hole_psnr.mean == pytest.approx(own - row.loss.mean)
    assert Evaluation.from_dict(result.as_dict()) == result


def test_figures_by_group(tmp_path):
    folder = tmp_path / "images"
    for name in ("anna", "ben"):
        save_portraits(folder / name, 30 if name == "anna" else 20)
    run = train(small_settings(data=str(folder), output=tmp_path / "run")).folder
    result = evaluate(settings(run, lookalikes=False))
    assert list(result.groups) == ["anna", "ben"]
    assert sum(row.n for row in result.groups.values()) == result.overall.n
    by_name = evaluate(settings(run, lookalikes=False, group_by=r"name:(\d)\.png$")).groups
    assert set(by_name) <= set("0123456789")
    assert len(by_name) > 2


def test_a_copy_of_an_image_that_was_learnt_from_is_named(tmp_path):
    """An image saved anew is another file: it may fall on the other side of the split."""
    folder = save_portraits(tmp_path / "images", 40)
    run = train(small_settings(data=str(folder), output=tmp_path / "run", size=32)).folder
    assert evaluate(settings(run)).lookalikes.pairs == []
    trained_on = set(json.loads((run / "data.json").read_text())["train_hashes"])
    learnt = [
        p for p in sorted(folder.iterdir()) if sha256(p.read_bytes()).hexdigest()[:16] in trained_on
    ]
    other = tmp_path / "others"
    other.mkdir()
    for index in range(12):
        Image.fromarray(samples.draw(100 + index, 44)).save(other / f"{index}.png")
    for path in learnt[:3]:
        Image.open(path).resize((50, 50), Image.Resampling.LANCZOS).save(other / f"copy-{path.stem}.png")
    result = evaluate(settings(run, data=str(other)))
    assert {ours for ours, _ in result.lookalikes.pairs} == {f"copy-{p.stem}.png" for p in learnt[:3]}
    assert result.lookalikes.without.n == result.overall.n - 3
    assert any("look like one that was learnt from" in note.text for note in notes(result))
    # Where the images of training are gone, it is not looked for, and the rest is measured.
    shutil.rmtree(folder)
    assert evaluate(settings(run, data=str(other))).lookalikes is None


def test_figures_that_cannot_be_had_say_why(run):
    result = evaluate(settings(run, learned=True))
    missing = {of.name for of in result.unavailable}
    assert {"fid", "kid", "lpips"} <= missing
    assert "fid" not in str(result.sets)
    assert any("lpips" in note.head for note in not_measured(result))


def test_limit_and_missing_run(run, tmp_path):
    assert evaluate(settings(run, limit=3)).overall.n == 3
    with pytest.raises(RunError, match="does not exist"):
        evaluate(settings(tmp_path / "none"))


def test_report_says_what_the_result_does(run):
    result = evaluate(settings(run, limit=5))
    page = (run / "report.html").read_text()
    assert headline(result) in page
    assert reproduce(settings(run, limit=5)) in page
    assert all(title(name) in page for name in result.overall.methods)
    assert (run / "examples.png").is_file()


def test_the_answer_fits_a_screen_and_verbose_prints_all(run, capsys):
    written = run_evaluation(settings(run, slow_images=3))
    written.answer().show()
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) <= 20
    assert printed[0].startswith(f"copied: {headline(written.result)}")
    assert printed[-1] == f"next: inpaint diagnose {run}"
    assert all(any(title(name) in line for line in printed) for name in [*QUICK, "copied"])
    written.answer().show(verbose=True)
    printed = capsys.readouterr().out
    assert "By hole ratio" in printed
    assert "Slow baselines" in printed


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"data": "my photos", "split": "test", "limit": 7, "group_by": "name:(.)_"},
        {"masks": ["rectangles", "strokes"], "models": ["a", "b c"], "ood": ["d"], "corruptions": True},
        {"masks": [{"name": "folder", "path": "m", "invert": True}], "weights": {"fid": "x.pth"}},
        {"ood_images": 5, "corruption_images": 6, "slow_images": 0, "lookalikes": False, "examples": 2},
    ],
)
def test_the_command_of_the_report_gives_the_same_settings(changes, monkeypatch):
    asked = settings("runs/one", **changes)
    called = []

    def stop(read):
        called.append(read)
        raise RunError("far enough")

    monkeypatch.setattr("inpaintlab.evaluation.command.run_evaluation", stop)
    monkeypatch.setattr("sys.argv", shlex.split(reproduce(asked)))
    with pytest.raises(SystemExit):
        main()
    assert called == [asked]


def test_no_result_is_replaced_by_a_smaller_one(run, tmp_path, capsys):
    """Named by part, data, masks and n; what has more stays, and the report lists all that stand."""
    folders = [save_portraits(tmp_path / name, 8) for name in ("a/images", "b/images", "val")]
    changes = [{}, {"limit": 3}, {"masks": "strokes"}, {"masks": [{"name": "strokes", "count": [1, 1]}]}]
    changes += [{"data": str(folder)} for folder in folders]
    for change in changes:
        evaluate(settings(run, lookalikes=False, **change))
    names = {path.stem for path in (run / "metrics").glob("*.json")}
    assert len(names) == len(changes)
    assert {"val", "val-n3", "val-strokes"} <= names
    page = (run / "report.html").read_text()
    assert all(f"{name}.json" in page for name in names)
    before = Evaluation.read(run / "metrics" / "val.json")
    capsys.readouterr()
    other = shutil.copytree(run, tmp_path / "other")
    evaluate(settings(run, lookalikes=False, models=[str(run), str(other)]))  # more of the same
    evaluate(settings(run, lookalikes=False))
    after = Evaluation.read(run / "metrics" / "val.json")
    assert after.methods.keys() > before.methods.keys()
    assert Evaluation.read(run / "metrics" / "val-2.json").methods.keys() == before.methods.keys()
    assert "kept as metrics/val-2.json: metrics/val.json holds more" in capsys.readouterr().err


def test_results_of_other_weights_stay(run, tmp_path):
    before = evaluate(settings(run, lookalikes=False))
    weights = load_file(run / "model.safetensors")
    with safe_open(run / "model.safetensors", "pt") as file:
        metadata = file.metadata()
    save_file({name: 1.01 * of for name, of in weights.items()}, run / "model.safetensors", metadata)
    after = evaluate(settings(run, lookalikes=False))
    assert before.weights != after.weights
    kept = run / "metrics" / f"val-{before.weights[:8]}.json"
    assert Evaluation.read(kept) == replace(before, cards={})
    assert Evaluation.read(run / "metrics" / "val.json").weights == after.weights
