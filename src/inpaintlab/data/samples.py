"""Sample portraits drawn by code, so that everything can be tried without an image of anyone.

A portrait is a function of (seed, index) alone, at any size: every shape is a signed distance in units
of the image's side, turned into coverage at the pixel grid asked for. Faces are nearly symmetric
about the middle (an eye can be told from the other one), and vary in skin, hair, eyes, mouth, glasses,
light, background and grain.
"""

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
    [[0.30, 0.18, 0.08], [0.16, 0.36, 0.58], [0.24, 0.47, 0.28], [0.42, 0.42, 0.44], [0.55, 0.38, 0.12]]
)  # fmt: skip


def draw(index: int, size: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Draw portrait `index` of the collection `seed`: uint8 RGB `[size, size, 3]`.

    >>> draw(3, 32).shape, bool((draw(3, 32) == draw(3, 32)).all())
    ((32, 32, 3), True)
    """
    portrait = _Portrait(size, np.random.default_rng([seed, index]))
    return np.rint(np.clip(portrait.colours, 0, 1) * 255).astype(np.uint8)


class _Portrait:
    """Colours `[S, S, 3]` in [0, 1], the pixel centres in [0, 1], and what several shapes share."""

    def __init__(self, size: int, random: np.random.Generator) -> None:
        centres = (np.arange(size, dtype=np.float32) + 0.5) / size
        self.x, self.y = np.meshgrid(centres, centres)
        self.colours: Field = np.zeros((size, size, 3), np.float32)
        self.random = random
        self.background()
        tone = random.uniform(0, 1)
        self.skin = _SKIN_LIGHT + tone * (_SKIN_DARK - _SKIN_LIGHT) + random.normal(0, 0.02, 3)
        self.hair = np.clip(_HAIR[random.integers(len(_HAIR))] + random.normal(0, 0.03, 3), 0, 1)
        self.middle = 0.5 + random.normal(0, 0.004)
        self.eye_line = EYES[0][1] + random.normal(0, 0.006)
        self.width, self.height = random.uniform(0.27, 0.34), random.uniform(0.36, 0.43)
        self.person(int(random.integers(4)))
        self.light_and_grain()

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

    def background(self) -> None:
        """Two colours blended along a direction, with a few soft discs."""
        random = self.random
        first, second = _muted(random), _muted(random)
        angle = random.uniform(0, 2 * np.pi)
        along = (self.x - 0.5) * np.cos(angle) + (self.y - 0.5) * np.sin(angle) + 0.5
        self.colours += first + np.clip(along, 0, 1)[..., None] * (second - first)
        for _ in range(random.integers(0, 6)):
            x, y, radius = random.uniform(0, 1), random.uniform(0, 1), random.uniform(0.05, 0.2)
            distance = self.ellipse(x, y, radius, radius)
            self.paint(distance, _muted(random), random.uniform(0.2, 0.6))

    def person(self, style: int) -> None:
        """A head with hair (0 none, 1 short, 2 long, 3 curly) and shoulders, then the face."""
        random = self.random
        self.hair_behind(style)
        self.shoulders()
        self.head()
        if style:
            self.fringe()
        if random.random() < 0.2:
            self.beard()
        self.nose()
        self.mouth()
        self.eyes()
        self.brows()
        if random.random() < 0.3:
            self.glasses()

    def hair_behind(self, style: int) -> None:
        random = self.random
        volume = random.uniform(0.03, 0.08)
        if style == 1:
            self.paint(
                self.ellipse(self.middle, 0.40, self.width + volume / 2, 0.34 + volume), self.hair
            )
        elif style == 2:
            self.paint(self.ellipse(self.middle, 0.55, self.width + volume, 0.52, power=3), self.hair)
        elif style == 3:
            self.paint(self.ellipse(self.middle, 0.36, self.width + 2 * volume, 0.33), self.hair)

    def shoulders(self) -> None:
        random = self.random
        self.paint(self.ellipse(self.middle, 0.9, 0.13, 0.2, power=4), self.skin * 0.85)
        clothes = _muted(random)
        self.paint(self.ellipse(self.middle, 1.15, random.uniform(0.42, 0.55), 0.25, power=2.5), clothes)
        if random.random() < 0.5:
            self.paint(self.arc(self.middle, 0.915, 0.15, 0.04, 0.02), clothes * 0.6)

    def head(self) -> None:
        """Ears, head, and a light that falls from one side."""
        random = self.random
        for side in (-1, 1):
            self.paint(self.ellipse(self.middle + side * self.width, 0.5, 0.045, 0.075), self.skin * 0.9)
        shape = self.ellipse(self.middle, 0.5, self.width, self.height, power=random.uniform(2, 2.6))
        self.paint(shape, self.skin)
        angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0.0, 0.35)
        lit = (self.x - self.middle) * np.cos(angle) + (self.y - 0.5) * np.sin(angle)
        self.paint(shape, self.skin * 0.45, np.clip(lit * strength * 3, 0, 0.5))
        blush = random.uniform(0, 0.3)
        for side in (-1, 1):
            cheek = self.ellipse(self.middle + side * 0.18, 0.62, 0.09, 0.07)
            soft = np.clip(-cheek / 0.07, 0, 1) * blush
            self.paint(cheek, np.array([0.9, 0.4, 0.4]), soft)

    def fringe(self) -> None:
        """Hair over the forehead, down to a parted and slightly wavy line."""
        random = self.random
        skull = self.ellipse(self.middle, 0.49, self.width + 0.015, self.height + 0.02, power=2.2)
        parting = random.uniform(-0.12, 0.12)
        low, wave = random.uniform(0.2, 0.3), random.uniform(0, 0.02)
        across = self.x - self.middle - parting
        line = low + 0.6 * across**2 / 0.3 + wave * np.sin(across * random.uniform(20, 50))
        self.paint(np.maximum(skull, self.y - line.astype(np.float32)), self.hair)
        shine = self.arc(self.middle, low - 0.09, self.width * 0.6, -0.03, 0.02)
        self.paint(shine, np.ones(3), random.uniform(0, 0.25))

    def eyes(self) -> None:
        random = self.random
        iris = np.clip(_IRIS[random.integers(len(_IRIS))] + random.normal(0, 0.03, 3), 0, 1)
        half, openness = random.uniform(0.065, 0.09), random.uniform(0.4, 0.75)
        gaze_x, gaze_y = random.uniform(-0.02, 0.02), random.uniform(-0.01, 0.01)
        radius = half * random.uniform(0.5, 0.65)
        shadow = random.uniform(0, 0.4)
        for x in (self.middle + EYES[0][0] - 0.5, self.middle + EYES[1][0] - 0.5):
            socket = self.ellipse(x, self.eye_line, half * 1.4, half * 1.1)
            self.paint(socket, self.skin * 0.6, shadow)
            eye = self.ellipse(x, self.eye_line, half, half * openness)
            self.paint(eye, np.array([0.96, 0.95, 0.93]))
            ball = self.ellipse(x + gaze_x, self.eye_line + gaze_y, radius, radius)
            self.paint(np.maximum(ball, eye), iris)
            pupil = self.ellipse(x + gaze_x, self.eye_line + gaze_y, radius * 0.5, radius * 0.5)
            self.paint(np.maximum(pupil, eye), np.array([0.03, 0.03, 0.04]))
            light = self.ellipse(x + gaze_x - 0.014, self.eye_line + gaze_y - 0.014, 0.011, 0.011)
            self.paint(np.maximum(light, eye), np.ones(3))
            lid = self.arc(x, self.eye_line, half, -half * openness, 0.014)
            self.paint(lid, self.skin * 0.25)

    def brows(self) -> None:
        random = self.random
        height, bend = random.uniform(0.09, 0.12), random.uniform(-0.035, -0.005)
        thickness = random.uniform(0.014, 0.032)
        for side in (-1, 1):
            brow = self.arc(self.middle + side * 0.18, self.eye_line - height, 0.085, bend, thickness)
            self.paint(brow, self.hair * 0.7)

    def glasses(self) -> None:
        random = self.random
        colour = random.uniform(0, 0.5) * np.ones(3) + random.uniform(0, 0.3, 3)
        width, height = random.uniform(0.11, 0.14), random.uniform(0.085, 0.115)
        power, frame = random.choice([2.0, 3.0, 5.0]), random.uniform(0.012, 0.024)
        tint = random.uniform(0, 0.25)
        for side in (-1, 1):
            lens = self.ellipse(self.middle + side * 0.18, self.eye_line + 0.01, width, height, power)
            self.paint(lens, colour, tint)
            self.paint(np.abs(lens) - frame / 2, colour)
        self.paint(self.arc(self.middle, self.eye_line, 0.18 - width + 0.01, -0.015, frame), colour)

    def nose(self) -> None:
        random = self.random
        length, width = random.uniform(0.58, 0.64), random.uniform(0.03, 0.055)
        side = random.choice([-1, 1])
        ridge = self.ellipse(self.middle + side * 0.02, length - 0.06, 0.018, 0.09)
        self.paint(ridge, self.skin * 0.75, random.uniform(0.2, 0.6))
        self.paint(self.arc(self.middle, length, width, 0.018, 0.014), self.skin * 0.5)

    def mouth(self) -> None:
        random = self.random
        y, half = random.uniform(0.72, 0.76), random.uniform(0.07, 0.13)
        smile, opened = random.uniform(-0.015, 0.05), random.uniform(0, 0.045)
        lips = np.array([0.72, 0.28, 0.28]) + random.normal(0, 0.06, 3)
        if opened > 0.02:
            self.paint(
                self.ellipse(self.middle, y + smile / 2, half, opened), np.array([0.3, 0.05, 0.07])
            )
            teeth = self.ellipse(self.middle, y + smile / 2 - opened * 0.5, half * 0.8, opened * 0.5)
            self.paint(teeth, np.array([0.95, 0.94, 0.9]))
        self.paint(self.arc(self.middle, y, half, smile, random.uniform(0.015, 0.035)), lips)

    def beard(self) -> None:
        random = self.random
        cheek = self.ellipse(self.middle, 0.75, random.uniform(0.2, 0.27), 0.17, power=2.5)
        self.paint(np.maximum(cheek, 0.66 - self.y), self.hair * 0.9, random.uniform(0.5, 0.95))

    def light_and_grain(self) -> None:
        """Exposure, colour of the light, contrast, and grain of the camera."""
        random = self.random
        gain = random.uniform(0.65, 1.1) * (1 + random.normal(0, 0.05, 3))
        self.colours = self.colours.clip(0, 1) ** random.uniform(0.8, 1.25) * gain.astype(np.float32)
        grain = random.uniform(0, 0.012)
        self.colours += random.normal(0, grain, self.colours.shape).astype(np.float32)


def _muted(random: np.random.Generator) -> Colour:
    """A colour of a wall or a shirt: any lightness, little saturation."""
    colour: Colour = np.clip(random.uniform(0.15, 0.9) + random.normal(0, 0.08, 3), 0.05, 0.97)
    return colour
