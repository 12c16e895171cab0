"""Sample portraits drawn by code, so that everything can be tried without an image of anyone.

A portrait is a function of (seed, index) alone, at any size: every shape is a signed distance in units
of the image's side, turned into coverage at the pixel grid asked for. Faces are nearly symmetric
about the middle (an eye can be told from the other one), and vary in skin, hair, eyes, mouth, glasses,
light, background and grain.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.floating[Any]]
Colour = npt.NDArray[np.floating[Any]]

#: Where the eyes are, before the small shift of each portrait, in shares of the side (x, y).
EYES = ((0.32, 0.45), (0.68, 0.45))

_SKIN_LIGHT, _SKIN_DARK = np.array([0.97, 0.84, 0.75]), np.array([0.36, 0.22, 0.15])
_HAIR = np.array(
    [[0.08, 0.06, 0.05], [0.24, 0.14, 0.08], [0.47, 0.27, 0.13], [0.84, 0.67, 0.36], [0.66, 0.64, 0.62],
     [0.58, 0.18, 0.10]]
)  # fmt: skip
_IRIS = np.array(
    [
        [0.30, 0.18, 0.08],
        [0.16, 0.36, 0.58],
        [0.24, 0.47, 0.28],
        [0.42, 0.42, 0.44],
        [0.55, 0.38, 0.12],
    ]
)


@dataclass
class _Canvas:
    """Colours `[S, S, 3]` in [0, 1] and the coordinates of the pixel centres in [0, 1]."""

    colours: Field
    x: Field
    y: Field

    def paint(self, distance: Field, colour: Colour, opacity: float | Field = 1.0) -> None:
        """Paint where the signed distance is negative, with an edge one pixel wide."""
        coverage = np.clip(0.5 - distance * len(self.x), 0, 1) * opacity
        self.colours += coverage[..., None] * (colour - self.colours)

    def ellipse(self, x: float, y: float, width: float, height: float, power: float = 2) -> Field:
        """Signed distance (first order) to a superellipse with these half-axes."""
        across, down = np.abs(self.x - x) / width, np.abs(self.y - y) / height
        radius = (across**power + down**power + 1e-9) ** (1 / power)
        return np.asarray((radius - 1) * min(width, height), np.float32)

    def arc(self, x: float, y: float, width: float, bend: float, thickness: float) -> Field:
        """Signed distance to a bent line of half-length `width`; a positive bend opens upwards."""
        across = (self.x - x) / width
        outside = np.maximum(np.abs(across) - 1, 0) * width
        line = y + bend * (1 - across**2)
        distance: Field = np.hypot(np.abs(self.y - line), outside) - thickness / 2
        return distance


def draw(index: int, size: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Draw portrait `index` of the collection `seed`: uint8 RGB `[size, size, 3]`.

    >>> draw(3, 32).shape, bool((draw(3, 32) == draw(3, 32)).all())
    ((32, 32, 3), True)
    """
    random = np.random.default_rng([seed, index])
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(centres, centres)
    canvas = _Canvas(np.zeros((size, size, 3), np.float32), x, y)
    _background(canvas, random)
    _person(canvas, random)
    _light_and_grain(canvas, random)
    return np.rint(np.clip(canvas.colours, 0, 1) * 255).astype(np.uint8)


def _background(canvas: _Canvas, random: np.random.Generator) -> None:
    """Two colours blended along a direction, with a few soft discs."""
    first, second = _muted(random), _muted(random)
    angle = random.uniform(0, 2 * np.pi)
    along = (canvas.x - 0.5) * np.cos(angle) + (canvas.y - 0.5) * np.sin(angle) + 0.5
    canvas.colours += first + np.clip(along, 0, 1)[..., None] * (second - first)
    for _ in range(random.integers(0, 6)):
        x, y, radius = random.uniform(0, 1), random.uniform(0, 1), random.uniform(0.05, 0.2)
        distance = canvas.ellipse(x, y, radius, radius)
        canvas.paint(distance, _muted(random), random.uniform(0.2, 0.6))


def _muted(random: np.random.Generator) -> Colour:
    """A colour of a wall or a shirt: any lightness, little saturation."""
    colour: Colour = np.clip(random.uniform(0.15, 0.9) + random.normal(0, 0.08, 3), 0.05, 0.97)
    return colour


def _person(canvas: _Canvas, random: np.random.Generator) -> None:
    """A head in front of hair and shoulders; what both eyes share is drawn once for both."""
    tone = random.uniform(0, 1)
    skin = _SKIN_LIGHT + tone * (_SKIN_DARK - _SKIN_LIGHT) + random.normal(0, 0.02, 3)
    hair = np.clip(_HAIR[random.integers(len(_HAIR))] + random.normal(0, 0.03, 3), 0, 1)
    middle = 0.5 + random.normal(0, 0.004)
    eye_line = EYES[0][1] + random.normal(0, 0.006)
    width, height = random.uniform(0.27, 0.34), random.uniform(0.36, 0.43)
    style = int(random.integers(4))  # 0 bald, 1 short, 2 long, 3 curly
    _hair_behind(canvas, random, middle, width, hair, style)
    _shoulders(canvas, random, middle, skin)
    _head(canvas, random, middle, (width, height), skin)
    if style:
        _fringe(canvas, random, middle, (width, height), hair)
    _face(canvas, random, (middle, eye_line), skin, hair)


def _hair_behind(
    canvas: _Canvas,
    random: np.random.Generator,
    middle: float,
    width: float,
    hair: Colour,
    style: int,
) -> None:
    volume = random.uniform(0.03, 0.08)
    if style == 1:
        canvas.paint(canvas.ellipse(middle, 0.40, width + volume / 2, 0.34 + volume), hair)
    elif style == 2:
        canvas.paint(canvas.ellipse(middle, 0.55, width + volume, 0.52, power=3), hair)
    elif style == 3:
        canvas.paint(canvas.ellipse(middle, 0.36, width + 2 * volume, 0.33), hair)


def _shoulders(canvas: _Canvas, random: np.random.Generator, middle: float, skin: Colour) -> None:
    canvas.paint(canvas.ellipse(middle, 0.9, 0.13, 0.2, power=4), skin * 0.85)
    clothes = _muted(random)
    canvas.paint(canvas.ellipse(middle, 1.15, random.uniform(0.42, 0.55), 0.25, power=2.5), clothes)
    if random.random() < 0.5:
        canvas.paint(canvas.arc(middle, 0.915, 0.15, 0.04, 0.02), clothes * 0.6)


def _head(
    canvas: _Canvas,
    random: np.random.Generator,
    middle: float,
    half: tuple[float, float],
    skin: Colour,
) -> None:
    """Ears, head, and a light that falls from one side."""
    width, height = half
    for side in (-1, 1):
        canvas.paint(canvas.ellipse(middle + side * width, 0.5, 0.045, 0.075), skin * 0.9)
    shape = canvas.ellipse(middle, 0.5, width, height, power=random.uniform(2, 2.6))
    canvas.paint(shape, skin)
    angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0.0, 0.35)
    lit = (canvas.x - middle) * np.cos(angle) + (canvas.y - 0.5) * np.sin(angle)
    canvas.paint(shape, skin * 0.45, np.clip(lit * strength * 3, 0, 0.5))
    blush = random.uniform(0, 0.3)
    for side in (-1, 1):
        cheek = canvas.ellipse(middle + side * 0.18, 0.62, 0.09, 0.07)
        soft = np.clip(-cheek / 0.07, 0, 1) * blush
        canvas.paint(cheek, np.array([0.9, 0.4, 0.4]), soft)


def _fringe(
    canvas: _Canvas,
    random: np.random.Generator,
    middle: float,
    half: tuple[float, float],
    hair: Colour,
) -> None:
    """Hair over the forehead, down to a parted and slightly wavy line."""
    width, height = half
    skull = canvas.ellipse(middle, 0.49, width + 0.015, height + 0.02, power=2.2)
    parting = random.uniform(-0.12, 0.12)
    low, wave = random.uniform(0.2, 0.3), random.uniform(0, 0.02)
    across = canvas.x - middle - parting
    line = low + 0.6 * across**2 / 0.3 + wave * np.sin(across * random.uniform(20, 50))
    canvas.paint(np.maximum(skull, canvas.y - line.astype(np.float32)), hair)
    shine = canvas.arc(middle, low - 0.09, width * 0.6, -0.03, 0.02)
    canvas.paint(shine, np.ones(3), random.uniform(0, 0.25))


def _face(
    canvas: _Canvas,
    random: np.random.Generator,
    centre: tuple[float, float],
    skin: Colour,
    hair: Colour,
) -> None:
    middle, eye_line = centre
    if random.random() < 0.2:
        _beard(canvas, random, middle, hair)
    _nose(canvas, random, middle, skin)
    _mouth(canvas, random, middle)
    _eyes(canvas, random, centre, skin)
    _brows(canvas, random, centre, hair)
    if random.random() < 0.3:
        _glasses(canvas, random, middle, eye_line)


def _eyes(
    canvas: _Canvas, random: np.random.Generator, centre: tuple[float, float], skin: Colour
) -> None:
    middle, eye_line = centre
    iris = np.clip(_IRIS[random.integers(len(_IRIS))] + random.normal(0, 0.03, 3), 0, 1)
    half, openness = random.uniform(0.065, 0.09), random.uniform(0.4, 0.75)
    gaze_x, gaze_y = random.uniform(-0.02, 0.02), random.uniform(-0.01, 0.01)
    radius = half * random.uniform(0.5, 0.65)
    shadow = random.uniform(0, 0.4)
    for x in (middle + EYES[0][0] - 0.5, middle + EYES[1][0] - 0.5):
        socket = canvas.ellipse(x, eye_line, half * 1.4, half * 1.1)
        canvas.paint(socket, skin * 0.6, shadow)
        eye = canvas.ellipse(x, eye_line, half, half * openness)
        canvas.paint(eye, np.array([0.96, 0.95, 0.93]))
        ball = canvas.ellipse(x + gaze_x, eye_line + gaze_y, radius, radius)
        canvas.paint(np.maximum(ball, eye), iris)
        pupil = canvas.ellipse(x + gaze_x, eye_line + gaze_y, radius * 0.5, radius * 0.5)
        canvas.paint(np.maximum(pupil, eye), np.array([0.03, 0.03, 0.04]))
        light = canvas.ellipse(x + gaze_x - 0.014, eye_line + gaze_y - 0.014, 0.011, 0.011)
        canvas.paint(np.maximum(light, eye), np.ones(3))
        lid = canvas.arc(x, eye_line, half, -half * openness, 0.014)
        canvas.paint(lid, skin * 0.25)


def _brows(
    canvas: _Canvas, random: np.random.Generator, centre: tuple[float, float], hair: Colour
) -> None:
    middle, eye_line = centre
    height, bend = random.uniform(0.09, 0.12), random.uniform(-0.035, -0.005)
    thickness = random.uniform(0.014, 0.032)
    for side in (-1, 1):
        brow = canvas.arc(middle + side * 0.18, eye_line - height, 0.085, bend, thickness)
        canvas.paint(brow, hair * 0.7)


def _glasses(canvas: _Canvas, random: np.random.Generator, middle: float, eye_line: float) -> None:
    colour = random.uniform(0, 0.5) * np.ones(3) + random.uniform(0, 0.3, 3)
    width, height = random.uniform(0.11, 0.14), random.uniform(0.085, 0.115)
    power, frame = random.choice([2.0, 3.0, 5.0]), random.uniform(0.012, 0.024)
    tint = random.uniform(0, 0.25)
    for side in (-1, 1):
        lens = canvas.ellipse(middle + side * 0.18, eye_line + 0.01, width, height, power)
        canvas.paint(lens, colour, tint)
        canvas.paint(np.abs(lens) - frame / 2, colour)
    canvas.paint(canvas.arc(middle, eye_line, 0.18 - width + 0.01, -0.015, frame), colour)


def _nose(canvas: _Canvas, random: np.random.Generator, middle: float, skin: Colour) -> None:
    length, width = random.uniform(0.58, 0.64), random.uniform(0.03, 0.055)
    side = random.choice([-1, 1])
    ridge = canvas.ellipse(middle + side * 0.02, length - 0.06, 0.018, 0.09)
    canvas.paint(ridge, skin * 0.75, random.uniform(0.2, 0.6))
    canvas.paint(canvas.arc(middle, length, width, 0.018, 0.014), skin * 0.5)


def _mouth(canvas: _Canvas, random: np.random.Generator, middle: float) -> None:
    y, half = random.uniform(0.72, 0.76), random.uniform(0.07, 0.13)
    smile, opened = random.uniform(-0.015, 0.05), random.uniform(0, 0.045)
    lips = np.array([0.72, 0.28, 0.28]) + random.normal(0, 0.06, 3)
    if opened > 0.02:
        canvas.paint(canvas.ellipse(middle, y + smile / 2, half, opened), np.array([0.3, 0.05, 0.07]))
        teeth = canvas.ellipse(middle, y + smile / 2 - opened * 0.5, half * 0.8, opened * 0.5)
        canvas.paint(teeth, np.array([0.95, 0.94, 0.9]))
    canvas.paint(canvas.arc(middle, y, half, smile, random.uniform(0.015, 0.035)), lips)


def _beard(canvas: _Canvas, random: np.random.Generator, middle: float, hair: Colour) -> None:
    cheek = canvas.ellipse(middle, 0.75, random.uniform(0.2, 0.27), 0.17, power=2.5)
    canvas.paint(np.maximum(cheek, 0.66 - canvas.y), hair * 0.9, random.uniform(0.5, 0.95))


def _light_and_grain(canvas: _Canvas, random: np.random.Generator) -> None:
    """Exposure, colour of the light, contrast, and grain of the camera."""
    gain = random.uniform(0.65, 1.1) * (1 + random.normal(0, 0.05, 3))
    canvas.colours = canvas.colours.clip(0, 1) ** random.uniform(0.8, 1.25) * gain.astype(np.float32)
    grain = random.uniform(0, 0.012)
    canvas.colours += random.normal(0, grain, canvas.colours.shape).astype(np.float32)
