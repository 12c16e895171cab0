"""Arguments of every part are held against its annotations, by one mechanism."""

import inspect
from contextlib import suppress

import pytest
import torch

from inpaintlab import masks, networks
from inpaintlab.data import augment
from inpaintlab.errors import InpaintlabError, SettingError
from inpaintlab.networks.discriminators import DISCRIMINATORS
from inpaintlab.registry import Registry, resolve_arguments
from inpaintlab.training import curriculum, objectives

TABLES = [
    networks.NETWORKS, DISCRIMINATORS, objectives.OBJECTIVES, curriculum.CURRICULA, masks.KINDS,
    augment.AUGMENTATIONS,
]  # fmt: skip
#: What a part cannot do without.
NEEDED = {"folder": {"path": "nowhere"}}
#: Every argument of every part of ours, taken down before any test registers a part of its own.
ARGUMENTS = [
    pytest.param(table, name, argument, id=f"{name}.{argument}")
    for table in TABLES
    for name in table
    for argument in table.resolve(name, NEEDED.get(name, {}))
]


@pytest.mark.parametrize(("table", "name", "argument"), ARGUMENTS)
def test_a_wrong_type_is_named(table, name, argument):
    annotation = str(inspect.signature(table[name]).parameters[argument].annotation)
    wrong = [{"a": 1}, object()]
    wrong += [] if "str" in annotation or "Path" in annotation else ["abc", float("nan")]
    wrong += [] if "bool" in annotation else [True]
    for value in wrong:
        with pytest.raises(SettingError, match=rf"{name}'.*{argument} must .*, got"):
            table.resolve(name, {**NEEDED.get(name, {}), argument: value})


@pytest.mark.parametrize(("table", "name", "argument"), ARGUMENTS)
def test_what_is_out_of_range_is_refused_in_a_sentence(table, name, argument):
    values = {**NEEDED.get(name, {}), argument: -1}
    # Whatever is built has no content.
    with torch.device("meta"), suppress(InpaintlabError):
        table.create(name, **values)
        assert argument == "side", values  # which a bottleneck of convolutions makes no use of


@pytest.mark.parametrize(("table", "name", "argument"), ARGUMENTS)
def test_a_near_miss_is_told(table, name, argument):
    with pytest.raises(SettingError, match=f"has no setting '{argument}x', did you mean '"):
        table.resolve(name, {**NEEDED.get(name, {}), f"{argument}x": 1})


def test_words_that_are_numbers_are_numbers():
    """YAML 1.1 reads 1e-2 as text."""
    assert augment.AUGMENTATIONS.resolve("flip", {"hue": "1e-2"})["hue"] == 0.01


def test_what_has_no_annotation_takes_anything():
    def free(value, other: "not_there" = 3, *rest, **more): ...  # noqa: F821

    given = {"value": object(), "other": "x", "another": True}
    assert resolve_arguments(free, given, "part") == given


def test_objects_pass_as_they_are():
    table = Registry("thing", {"one": lambda network=None: network})
    module = torch.nn.Identity()
    assert table.create("one", network=module) is module
