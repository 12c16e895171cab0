"""How words of the command line become values."""

from collections.abc import Mapping
from typing import Any

import yaml

from inpaintlab.errors import SettingError


def as_names(value: Any) -> Any:
    """Read `unet,swift`, or several of such words, as a list of names."""
    values = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(values, list | tuple):
        return values
    names = [one.split(",") if isinstance(one, str) else [one] for one in values]
    return [one.strip() if isinstance(one, str) else one for some in names for one in some if one]


def as_pairs(value: Any) -> Any:
    """Read words `NAME=VALUE` as a mapping.

    >>> as_pairs(["fid=a.pt", "lpips=b.pth"])
    {'fid': 'a.pt', 'lpips': 'b.pth'}
    """
    if not isinstance(value, list | tuple):
        return value
    pairs = [str(word).partition("=") for word in value]
    for name, equals, text in pairs:
        if not (name and equals and text):
            raise ValueError(f"takes NAME=VALUE, got {name + equals + text!r}")
    return {name: text for name, _, text in pairs}


def as_variations(value: Any) -> Any:
    """Read words `SETTING=A,B` as the values of each setting."""
    if not isinstance(value, list | tuple):
        return value
    return dict(parse_variation(str(word)) for word in value)


def parse_variation(word: str) -> tuple[str, list[Any]]:
    """Read `network=unet,swift`; values are YAML, so that one may have commas in its brackets.

    >>> parse_variation("network={name: unet, width: 8},swift")
    ('network', [{'name': 'unet', 'width': 8}, 'swift'])
    """
    key, equals, text = word.partition("=")
    try:
        values = yaml.safe_load(f"[{text}]")
    except yaml.YAMLError:
        values = []
    if not (key and equals and values):
        raise SettingError(f"--vary takes SETTING=A,B, got {word!r}")
    return key, values
