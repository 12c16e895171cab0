import subprocess
import sys
from pathlib import Path

import pytest

from inpaintlab import settings as settings_room
from inpaintlab.errors import SettingError
from inpaintlab.registry import load_plugins, loaded_plugins, resolve_arguments
from inpaintlab.settings import (
    CrossvalSettings,
    EvaluateSettings,
    Part,
    PrepareSettings,
    SummarySettings,
    TrainSettings,
    build,
    dump,
    typed,
    vary,
)
from inpaintlab.settings.build import RENAMED
from inpaintlab.settings.plugins import require
from inpaintlab.settings.words import parse_variation

PROJECT = Path(__file__).parents[2]


def built(*assignments, **flags):
    return build(TrainSettings, assignments=assignments, flags={"data": "photos", **flags})


def test_torch_is_not_imported():
    code = "import sys, inpaintlab.settings; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_later_sources_win(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("data: a\nbatch_size: 4\nseed: 1\nsize: 32\n")
    settings = build(
        TrainSettings,
        config=recipe,
        flags={"seed": 2, "size": None, "batch_size": 5},
        assignments=["batch_size=6"],
    )
    assert (settings.data, settings.seed, settings.size, settings.batch_size) == ("a", 2, 32, 6)


@pytest.mark.parametrize(
    ("assignments", "flags", "name"),
    [
        (["network.width=48"], {}, "swift"),
        (["network.width=48"], {"network": "unet"}, "unet"),
        (["network={name: unet, width: 48}"], {}, "unet"),
    ],
)
def test_arguments_of_a_part(assignments, flags, name):
    network = built(*assignments, **flags).network
    assert (network.name, network.arguments) == (name, {"width": 48})


def test_a_flag_that_repeats_the_name_keeps_the_arguments_of_the_recipe(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "data: a\nnetwork: {name: unet, width: 48}\nmasks: [{name: strokes, count: [1, 2]}]\n"
    )
    settings = build(TrainSettings, config=recipe, flags={"network": "unet", "masks": ["strokes"]})
    assert settings.network.arguments == {"width": 48}
    assert settings.masks[0].arguments == {"count": [1, 2]}
    other = build(TrainSettings, config=recipe, flags={"masks": ["rectangles"]})
    assert other.masks[0].arguments == {}


def test_argument_of_the_only_mask_kind():
    (part,) = built("masks.side=[0.1, 0.2]").masks
    assert (part.name, part.arguments) == ("rectangles", {"side": [0.1, 0.2]})


@pytest.mark.parametrize(
    ("assignments", "flags", "words"),
    [
        (["bacth_size=3"], {}, "unknown setting 'bacth_size', did you mean 'batch_size'?"),
        (["batch_size"], {}, "key=value"),
        (["batch_size=0"], {}, "batch_size: must be at least 1 (got 0)"),
        (["batch_size=[1"], {}, "not a YAML value"),
        (["batch_size=abc"], {}, "batch_size: must be a whole number (got 'abc')"),
        (["batch_size.width=3"], {}, "'batch_size' has no settings of its own"),
        (["netwrok.width=3"], {}, "did you mean 'network'?"),
        (["masks.side=[0, 1]"], {"masks": ["strokes", "rectangles"]}, "there are 2"),
        (["steps=3", "minutes=2"], {}, "steps or minutes, not both"),
        (["look=vivid"], {}, "look: must be faithful, real or a number between 0 and 1 (got 'vivid')"),
        (["look=1.5"], {}, "a number between 0 and 1 (got 1.5)"),
        (["look=real", "objective=lama"], {}, "look chooses an objective, and objective 'lama'"),
        (["precision=8"], {}, "precision: must be '32-true', 'bf16-mixed' or '16-mixed' (got 8)"),
        (["masks=[]"], {}, "masks: needs at least 1"),
    ],
)
def test_bad_settings_are_refused_in_one_line(assignments, flags, words):
    with pytest.raises(SettingError) as refused:
        built(*assignments, **flags)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data: x\nwidht: 3\n", "unknown setting 'widht' in recipe.yaml"),
        ("- a\n", "must hold settings"),
        ("data: [\n", "not a YAML file"),
        ("!!python/object/apply:os.system [ls]", "not a YAML file"),
    ],
)
def test_bad_recipes_are_refused(tmp_path, text, words):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text)
    with pytest.raises(SettingError, match=words):
        build(TrainSettings, config=recipe)


def test_a_missing_recipe_is_refused(tmp_path):
    with pytest.raises(SettingError, match="cannot read the recipe"):
        build(TrainSettings, config=tmp_path / "none.yaml")


def test_dump_is_read_back(tmp_path):
    settings = built("network.width=48", masks=["strokes", {"name": "folder", "path": "m"}])
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(dump(settings))
    assert build(TrainSettings, config=recipe) == settings


KINDS = [getattr(settings_room, name) for name in settings_room.__all__ if name.endswith("Settings")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_described_by_a_sentence(kind):
    for name, field in kind.model_fields.items():
        text = " ".join((field.description or "").split())
        assert len(text) > 8, name
        assert text.endswith("."), name
        assert not text.startswith(("Of ", "Or ", "By ", "None")), name  # it stands alone


def test_masks_in_words(tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    (tmp_path / "strokes-v1").mkdir()

    def masks(*words):
        return [part.model_dump() for part in built(masks=list(words)).masks]

    assert masks("strokes-v1") == [{"name": "strokes-v1"}]
    assert masks("./strokes-v1") == [{"name": "folder", "path": "./strokes-v1"}]
    assert masks("strokes", str(folder)) == [
        {"name": "strokes"},
        {"name": "folder", "path": str(folder)},
    ]
    assert built("masks=strokes").masks == [Part("strokes")]


def test_flags_of_words():
    flags = {"models": ["r"], "weights": ["fid=a.pt", "lpips=b.pth"]}
    assert build(EvaluateSettings, flags=flags).weights == {"fid": "a.pt", "lpips": "b.pth"}
    with pytest.raises(SettingError, match=r"weights: takes NAME=VALUE, got 'fid'"):
        build(EvaluateSettings, flags={"models": ["r"], "weights": ["fid"]})
    flags = {"data": "p", "vary": ["network=unet,swift", "seed=0,1"]}
    assert build(CrossvalSettings, flags=flags).vary == {"network": ["unet", "swift"], "seed": [0, 1]}
    summed = build(SummarySettings, flags={"compare": ["unet, swift", "lama"]})
    assert [summed.network, *summed.compare] == [Part("unet"), Part("swift"), Part("lama")]
    assert build(SummarySettings, flags={"network": "lama", "compare": "unet"}).network == Part("lama")
    prepared = build(PrepareSettings, flags={"sources": ["ffhq", "folder"]})
    assert (prepared.layout, prepared.sources) == ("ffhq", ["folder"])


def test_some_settings_are_typed_alone():
    assert typed(TrainSettings, {"steps": "4", "devices": "2"}) == {"steps": 4, "devices": 2}
    with pytest.raises(SettingError, match=r"steps: must be at least 1 \(got '0'\)"):
        typed(TrainSettings, {"steps": "0"})


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_is_answered_with_the_new_one(old):
    kinds = [kind for kind in KINDS if RENAMED[old] in kind.model_fields]
    assert kinds
    for kind in kinds:
        with pytest.raises(SettingError, match=f"^{old} is called {RENAMED[old]} now$"):
            build(kind, assignments=[f"{old}=3"])


def test_a_recipe_cannot_bring_code(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("data: a\nplugins: [../elsewhere/parts.py]\n")
    with pytest.raises(SettingError, match=r"recipe.yaml needs plugins.*add --plugin \S*parts.py"):
        build(TrainSettings, config=recipe)
    for given in ({"flags": {"plugins": ["my/parts.py"]}}, {"assignments": ["plugins=[my/parts.py]"]}):
        assert build(TrainSettings, config=recipe, **given).plugins == ["my/parts.py"]


def test_what_is_loaded_counts_as_named(tmp_path):
    plugin = tmp_path / "loaded_parts.py"
    plugin.write_text("")
    with pytest.raises(SettingError, match=r"add --plugin loaded_parts\.py --plugin other"):
        require(["loaded_parts.py", "other"])
    load_plugins([str(plugin)])
    assert require(["loaded_parts.py"]) == ["loaded_parts.py"]
    assert loaded_plugins()[-1] == str(plugin)


def test_settings_check_types_without_a_plugin(tmp_path):
    """What a user writes passes mypy, and a mistake does not."""
    good = tmp_path / "good.py"
    good.write_text(
        "from inpaintlab.settings import Part, ResolvedTrainSettings, TrainSettings\n"
        'TrainSettings(data="photos")\n'
        'TrainSettings(data="photos", network=Part("unet", width=48), learning_rate="auto")\n'
        "def side(settings: ResolvedTrainSettings) -> int:\n    return settings.size\n"
    )
    bad = tmp_path / "bad.py"
    bad.write_text('from inpaintlab.settings import TrainSettings\nTrainSettings(data="p", batch=8)\n')
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", str(good), str(bad)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT)
    found = [line for line in done.stdout.splitlines() if "error" in line and tmp_path.name in line]
    assert len(found) == 1, done.stdout + done.stderr
    assert 'Unexpected keyword argument "batch"' in found[0]


def test_resolve_arguments_needs_those_without_a_default():
    with pytest.raises(SettingError, match="needs the setting 'path'"):
        resolve_arguments(lambda path, invert=False: None, {}, "mask kind 'folder'")


def test_the_word_off_is_not_false():
    assert build(TrainSettings, assignments=["cache=off"], flags={"data": "d"}).cache == "off"


def test_a_flag_may_be_a_mapping_of_one():
    flags = {"models": ["r"], "weights": {"fid": "file.pt"}}
    assert build(EvaluateSettings, flags=flags).weights == {"fid": "file.pt"}


def varied(**variations):
    return vary(CrossvalSettings(data="photos", folds=3, vary=variations))


def test_variants_are_every_value_with_every_other():
    variants = varied(**{"network.width": [32, 48], "network": ["unet", "swift"], "batch_size": [4, 8]})
    assert len(variants) == 8
    first = variants["network=unet batch_size=4 network.width=32"]
    assert (first.network.name, first.network.arguments, first.batch_size) == ("unet", {"width": 32}, 4)
    assert type(first) is TrainSettings
    assert (first.fold, first.folds) == (None, None)


def test_names_of_variants():
    assert list(varied()) == ["network=swift"]
    network = {"name": "unet", "width": 8}
    assert list(varied(network=[network, "unet"])) == ["network=unet(width=8)", "network=unet"]
    masks = [["rectangles", {"name": "strokes", "weight": 2}], "strokes"]
    assert list(varied(masks=masks)) == ["masks=rectangles+strokes(weight=2)", "masks=strokes"]


def test_off_may_vary():
    key, values = parse_variation("guards=off,act")
    assert [variant.guards.name for variant in varied(**{key: values}).values()] == ["off", "act"]


def test_cross_validations_are_read_back(tmp_path):
    settings = CrossvalSettings(data="photos", vary={"network.width": [32, 48]}, jobs=2)
    recipe = tmp_path / "crossval.yaml"
    recipe.write_text(dump(settings))
    assert build(CrossvalSettings, config=recipe) == settings
