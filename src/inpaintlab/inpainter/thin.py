"""Thin holes, as scratches and captions: what of a hole is thin, and windows along it."""

from collections.abc import Iterator

import cv2
import numpy as np

from inpaintlab.arrays import Bool, Float32, UInt8
from inpaintlab.inpainter.crops import Box, Crop, windows

#: In what is thicker than so many pixels detail would be seen.
THICK = 8
#: Lines of so many pixels are thin to a network, too, that sees the image as large as it is.
LINE = 2
#: Where thin lines cross a hole is thicker, but at most twice, and no longer than so many times.
_KNOT = 5
#: Windows take so much of their side of a hole, down and across: around it lies a sixth or more.
_DOWN, _ACROSS = 5 / 8, 11 / 16


def thin_part(hole: UInt8, thick: int = THICK) -> UInt8:
    """Return the part of a hole, `[H, W]` of 0 and 1, that is at most so many pixels thick.

    What leaves a thicker part, and is no longer than that may be, is thick; a thick place in what is
    thin otherwise, as where scratches cross, is thin.
    """
    left, top, wide, high = cv2.boundingRect(hole)
    place = Box(top, left, top + high, left + wide).grown(1, Box(0, 0, *hole.shape))
    part, thin = np.ascontiguousarray(hole[place.slices]), hole.copy()
    depth = np.asarray(cv2.distanceTransform(part, cv2.DIST_L2, 5), np.float32)
    # In the middle of 8 pixels the next known one is 4 away, of 9 it is 5.
    deep = (thick + 1) / 2
    if (depth > deep).any():
        body = _without_knots(_around(depth > deep, part, deep), part, depth, thick)
        thin[place.slices] -= _with_ends(body, part, thick)
    return thin


def _around(deep: Bool, part: UInt8, reach: float) -> UInt8:
    """Return what of a hole lies within reach of a pixel that lies deep."""
    distance = cv2.distanceTransform((~deep).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(distance <= reach, np.uint8) & part


def _without_knots(body: UInt8, part: UInt8, depth: Float32, thick: int) -> UInt8:
    """Drop short places, not very thick, of connected holes that are thin in most of their pixels."""
    _, holes = cv2.connectedComponents(part)
    sizes = np.bincount(holes.reshape(-1))
    shares = np.bincount(holes.reshape(-1), body.reshape(-1)) / np.maximum(sizes, 1)
    _, labels, facts, _ = cv2.connectedComponentsWithStats(body)
    knot = np.max(facts[:, 2:4], axis=1) < _KNOT * thick
    knot[labels[depth > thick]] = knot[0] = False
    return np.where(knot[labels] & (shares[holes] < 0.5), 0, body).astype(np.uint8)


def _with_ends(body: UInt8, part: UInt8, thick: int) -> UInt8:
    """Add what is short of the rest, as the corners of a square are, where it touches what is thick."""
    _, labels, facts, _ = cv2.connectedComponentsWithStats(part - body)
    touching = np.unique(labels[cv2.dilate(body, np.ones((3, 3), np.uint8)) > 0])
    short = np.zeros(len(facts), bool)
    short[touching] = np.max(facts[touching, 2:4], axis=1) < thick
    short[0] = False
    return np.asarray(body | short[labels], np.uint8)


def along(part: UInt8, size: int) -> Iterator[Crop]:
    """Yield windows along a thin part of a hole, at full resolution for a network of a size."""
    cell = (max(1, round(_DOWN * size)), max(1, round(_ACROSS * size)))
    return windows(part, Box(0, 0, *part.shape), part.shape, cell, size)
