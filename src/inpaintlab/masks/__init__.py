"""Masks: which part of an image is the hole.

A mask is `[B, 1, H, W]` (a single one `[1, H, W]`), exactly 0 or 1, **1 = hole**; in files white is the
hole (grey above 127). Kinds draw masks for training, sets hold those that results rest on.
"""

from inpaintlab.masks.checks import (
    BIN_EDGES,
    COMMAND,
    MAX_RATIO,
    PYTHON,
    Door,
    check_mask,
    check_ratio,
    looks_inverted,
    ratio_bin,
)
from inpaintlab.masks.frozen import SETS, FrozenMasks, MaskSet, histogram
from inpaintlab.masks.irregular import touches_border
from inpaintlab.masks.kinds import KINDS, Folder, MaskKind, Mixture, Rectangles, Strokes
from inpaintlab.masks.polarity import check_polarity
from inpaintlab.masks.reading import AnyMask, read_mask
from inpaintlab.masks.table import frozen, make, register_mask, resolve

__all__ = [
    "BIN_EDGES",
    "COMMAND",
    "KINDS",
    "MAX_RATIO",
    "PYTHON",
    "SETS",
    "AnyMask",
    "Door",
    "Folder",
    "FrozenMasks",
    "MaskKind",
    "MaskSet",
    "Mixture",
    "Rectangles",
    "Strokes",
    "check_mask",
    "check_polarity",
    "check_ratio",
    "frozen",
    "histogram",
    "looks_inverted",
    "make",
    "ratio_bin",
    "read_mask",
    "register_mask",
    "resolve",
    "touches_border",
]
