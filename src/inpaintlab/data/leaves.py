"""Dead leaves drawn by code: images with the statistics of photographs, and without any photograph.

Shapes of every size cover each other, the small ones many and the large ones few (radii r with density
r^-3, as surfaces that occlude each other have; Lee, Mumford and Huang 2001), with textures, light,
shadows, blur and grain. An image is a function of (seed, index) alone, at any size. A network that has
learnt from them has seen edges, corners, gradients and textures end in holes, and no object.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.floating[Any]]
Points = npt.NDArray[np.floating[Any]]

#: Drawn so many times as large and made smaller, so that edges are as soft as a camera's.
_FINER = 2
#: Radii of leaves, in shares of the side.
_SMALLEST, _LARGEST = 0.012, 0.9
#: Noise is so many times as long as it is wide.
_STRETCH = (1.0, 1.0, 2.0, 5.0)
#: Leaves from this radius on have texture and shadow, which small ones do not show.
_LARGE = 0.06
#: A draw has from so many leaves to so many: from a sky to a hedge.
_LEAVES = (4, 700)


def draw(index: int, size: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Draw image `index` of the collection `seed`: uint8 RGB `[size, size, 3]`.

    >>> draw(3, 32).shape, bool((draw(3, 32) == draw(3, 32)).all())
    ((32, 32, 3), True)
    """
    # What takes more numbers for more pixels has a stream of its own, so that shapes stay at all sizes.
    streams = (np.random.default_rng([seed, index, stream]) for stream in (1, 2))
    return _Leaves(size * _FINER, *streams).seen_by_a_camera(size)


class _Leaves:
    """Colours `[S, S, 3]` in [0, 1], and what the leaves of an image share: palette, light, textures."""

    def __init__(self, side: int, random: np.random.Generator, grain: np.random.Generator) -> None:
        self.side, self.random, self.grain = side, random, grain
        self.palette = self._palette()
        self.light = random.uniform(0, 2 * np.pi)
        self.y, self.x = np.mgrid[0:side, 0:side].astype(np.float32) / side
        self.noise = [self._noise(random.uniform(0.6, 2.2), random.choice(_STRETCH)) for _ in range(3)]
        self.colours = np.ascontiguousarray(self._texture(np.s_[:, :], (0.5, 0.5)))
        self._cover()

    def _palette(self) -> Field:
        """Return some colours `[n, 3]`: one tint that all share, and more or less hue of their own."""
        random = self.random
        light = random.uniform(0, 1, (random.integers(3, 9), 1))
        shared = random.normal(0, random.uniform(0, 0.08), 3)
        own = random.normal(0, random.uniform(0.01, 0.2), (len(light), 3))
        return np.asarray(light + shared + own)

    def _cover(self) -> None:
        """Draw the leaves, those behind first; some images also have bars, wires and rows of shapes."""
        random = self.random
        for _ in range(random.integers(0, 4)):
            self._ground()
        count = int(np.exp(random.uniform(*np.log(_LEAVES))))
        least = _SMALLEST * np.exp(random.uniform(0, np.log(14)))
        # Inverse of the distribution whose density falls with the third power, cut at both ends.
        share = random.uniform(0, 1, count)
        radii = (least**-2 + share * (_LARGEST**-2 - least**-2)) ** -0.5
        favourite = random.integers(len(SHAPES), size=3)
        self.middles = random.uniform(0, 1, (random.integers(1, 5), 2))
        self.scatter = random.uniform(0.05, 0.5)
        for radius in radii:
            shape = SHAPES[favourite[random.integers(3)]] if random.random() < 0.7 else _any(random)
            self._leaf(shape(random), float(radius), self._place())
        if random.random() < 0.3:
            self._row()
        if random.random() < 0.3:
            self._lines(5, 0.004, 0.03)
        if random.random() < 0.4:
            self._lines(4, 0.03, 0.2)

    def _ground(self) -> None:
        """Cover one side of a straight line, as a floor, a wall or the sky does."""
        corners = np.array([[-3, 0], [3, 0], [3, 6], [-3, 6]])
        level = self.random.random() < 0.5
        turn = self.random.integers(4) * np.pi / 2 if level else self.random.uniform(0, 2 * np.pi)
        outline = corners @ _turned(turn + self.random.normal(0, 0.05))
        self._leaf(outline, 1.0, self.random.uniform(0.1, 0.9, 2))

    def _place(self) -> Points:
        """Return where a leaf lies: anywhere, or, as most do, near others."""
        if self.random.random() < 0.4:
            return self.random.uniform(-0.1, 1.1, 2)
        middle = self.middles[self.random.integers(len(self.middles))]
        return np.asarray(middle + self.random.normal(0, self.scatter, 2))

    def _leaf(self, outline: Points, radius: float, centre: Points) -> None:
        shape = centre + radius * outline
        if (shape.max(0) < 0).any() or (shape.min(0) > 1).any():
            return
        points = shape * self.side
        if radius < _LARGE:
            cv2.fillPoly(self.colours, [_fixed(points)], self._colour().tolist(), cv2.LINE_8, _SHIFT)
            return
        # Only what the leaf and its shadow can reach is touched.
        reach = 1 + round(0.3 * radius * self.side)
        low = np.clip(np.floor(points.min(0)) - reach, 0, self.side).astype(int)
        high = np.clip(np.ceil(points.max(0)) + reach, 0, self.side).astype(int)
        part = np.s_[low[1] : high[1], low[0] : high[0]]
        cover = np.zeros(self.x[part].shape, np.float32)
        cv2.fillPoly(cover, [_fixed(points - low)], 1.0, cv2.LINE_8, _SHIFT)
        behind = self.colours[part]
        if self.random.random() < 0.5:
            behind *= 1 - self._shadow(cover, reach)
        behind += cover[..., None] * (self._texture(part, centre) - behind)

    def _shadow(self, cover: Field, reach: int) -> Field:
        """Return how much darker it is behind a leaf, away from the light: `[h, w, 1]`."""
        far = self.random.uniform(0.1, 0.6) * reach
        by = np.array([[1, 0, far * np.cos(self.light)], [0, 1, far * np.sin(self.light)]], np.float32)
        moved = cv2.warpAffine(cover, by, (cover.shape[1], cover.shape[0]))
        soft = cv2.GaussianBlur(moved, (0, 0), 0.3 + far / 3)
        return np.asarray(self.random.uniform(0.2, 0.6) * soft[..., None], np.float32)

    def _texture(self, part: Any, centre: Any) -> Field:
        """Return a surface for a part of the image: flat, shaded, mottled or striped."""
        random = self.random
        angle = random.uniform(0, 2 * np.pi)
        along = (self.x[part] - centre[0]) * np.cos(angle) + (self.y[part] - centre[1]) * np.sin(angle)
        surface = np.broadcast_to(self._colour(), (*along.shape, 3)).astype(np.float32)
        if random.random() < 0.6:
            surface += along[..., None] * (random.normal(0, 0.25) + random.normal(0, 0.04, 3))
        kind, tint = random.random(), random.uniform(0.6, 1, 3)
        if kind < 0.5:
            noise = self.noise[random.integers(len(self.noise))][part]
            surface += noise[..., None] * random.uniform(0.01, 0.2) * tint
        elif kind < 0.65:
            period = np.exp(random.uniform(np.log(0.03), np.log(0.3)))
            wave = np.sin(2 * np.pi * along / period)
            wave = np.sign(wave) if random.random() < 0.4 else wave
            surface += wave[..., None] * random.uniform(0.02, 0.15) * tint
        return surface

    def _noise(self, exponent: float, stretch: float) -> Field:
        """Return noise whose amplitude falls with a power of the frequency; variance 1.

        Stretched along some direction it is fur, grass and wood.
        """
        side, angle = self.side, self.random.uniform(0, np.pi)
        y, x = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        frequency = np.hypot(along * stretch, across)
        frequency[0, 0] = np.inf
        phases = np.exp(2j * np.pi * self.grain.uniform(0, 1, frequency.shape))
        field = np.fft.irfft2(phases * frequency**-exponent, (side, side))
        return np.asarray(field / field.std(), np.float32)

    def _row(self) -> None:
        """Draw one shape again and again in a grid, as windows, tiles and railings are."""
        random = self.random
        outline, colour = _any(random)(random) * np.array([random.uniform(0.4, 1), 1]), self._colour()
        step = random.uniform(0.06, 0.2, 2)
        turn = _turned(random.normal(0, 0.2))
        start = random.uniform(-0.5, 1, 2)
        rows, columns = random.integers(1, 7), random.integers(3, 12)
        for place in np.ndindex(columns, rows):
            centre = start + turn @ (np.array(place) * step)
            points = centre + (outline * step.min() * 0.4) @ turn.T
            fixed = _fixed(points * self.side)
            cv2.fillPoly(self.colours, [fixed], colour.tolist(), cv2.LINE_8, _SHIFT)

    def _lines(self, most: int, thinnest: float, thickest: float) -> None:
        """Draw lines across the image, straight or sagging: wires, and bars, poles and branches."""
        random = self.random
        for _ in range(random.integers(1, most)):
            ends, sag = random.uniform(-0.2, 1.2, (2, 2)), random.normal(0, 0.1)
            t = np.linspace(0, 1, 24)[:, None]
            points = ends[0] + t * (ends[1] - ends[0]) + np.array([0, sag]) * (4 * t * (1 - t))
            thick = max(1, round(random.uniform(thinnest, thickest) * self.side))
            line = [_fixed(points * self.side)]
            cv2.polylines(self.colours, line, False, self._colour().tolist(), thick, cv2.LINE_8, _SHIFT)

    def _colour(self) -> Field:
        base = self.palette[self.random.integers(len(self.palette))]
        near: Field = base + self.random.normal(0, 0.04) + self.random.normal(0, 0.015, 3)
        return near.clip(0, 1)

    def seen_by_a_camera(self, size: int) -> npt.NDArray[np.uint8]:
        """Return the image at its size, with the light's fall, blur, tone and grain: uint8."""
        random = self.random
        colours = self._bent() if random.random() < 0.6 else self.colours
        image = cv2.resize(colours, (size, size), interpolation=cv2.INTER_AREA)
        y, x = np.mgrid[0:size, 0:size] / size - 0.5
        fall = 1 + random.normal(0, 0.25) * (x * np.cos(self.light) + y * np.sin(self.light))
        image = self._exposed(image * fall[..., None])
        if random.random() < 0.4:
            image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.3, 1.5))
        image = image + self.grain.normal(0, random.uniform(0, 0.02), image.shape)
        return np.asarray(np.rint(np.clip(image, 0, 1) * 255), np.uint8)

    def _bent(self) -> Field:
        """Return the colours with every straight line bent a little, as few in nature are straight."""
        bend = self.random.uniform(0.002, 0.04) * self.side
        y, x = (
            (place * self.side + bend * self._noise(2.2, 1.0)).astype(np.float32)
            for place in (self.y, self.x)
        )
        bent = cv2.remap(self.colours, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(bent, np.float32)

    def _exposed(self, image: Field) -> Field:
        """Return an image as bright and as rich in contrast as photographs are."""
        bright = image.mean(2)
        contrast = self.random.uniform(0.08, 0.3) / max(0.04, float(bright.std()))
        light = image.mean((0, 1)) + self.random.normal(0, 0.02, 3)
        middle = np.clip(self.random.normal(0.45, 0.14), 0.1, 0.9)
        exposed = (image - light) * min(contrast, 3) + middle + light - light.mean()
        return np.asarray(exposed.clip(0, 1))


def _ellipse(random: np.random.Generator) -> Points:
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    flat = random.uniform(0.3, 1)
    return np.stack([np.cos(angles), flat * np.sin(angles)], 1) @ _turned(random.uniform(0, np.pi))


def _rectangle(random: np.random.Generator) -> Points:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [1, random.uniform(0.1, 1)]
    upright = random.random() < 0.5
    return corners @ _turned(random.integers(2) * np.pi / 2 if upright else random.uniform(0, np.pi))


def _polygon(random: np.random.Generator) -> Points:
    angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 9)))
    return np.stack([np.cos(angles), np.sin(angles)], 1) * random.uniform(0.5, 1, (len(angles), 1))


def _blob(random: np.random.Generator) -> Points:
    """A closed curve with bays and capes."""
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radius = np.ones(60)
    for wave in range(2, 7):
        radius += random.normal(0, 0.35 / wave) * np.cos(wave * angles + random.uniform(0, 2 * np.pi))
    return np.stack([np.cos(angles), np.sin(angles)], 1) * np.clip(radius, 0.1, None)[:, None]


def _blade(random: np.random.Generator) -> Points:
    """A bent strip that ends in a point, as grass, twigs and hair."""
    t = np.linspace(-1, 1, 12)
    bend, thick = random.normal(0, 0.4), random.uniform(0.04, 0.2)
    upper = np.stack([t, bend * t**2 + thick * (1 - t**2)], 1)
    lower = np.stack([t, bend * t**2 - thick * (1 - t**2)], 1)[::-1]
    return np.concatenate([upper, lower]) @ _turned(random.uniform(0, 2 * np.pi))


#: What leaves look like; each gives the corners of an outline about 1 in radius.
SHAPES: list[Callable[[np.random.Generator], Points]] = [_ellipse, _rectangle, _polygon, _blob, _blade]

#: Corners are given in 1/16 of a pixel.
_SHIFT = 4


def _any(random: np.random.Generator) -> Callable[[np.random.Generator], Points]:
    return SHAPES[random.integers(len(SHAPES))]


def _fixed(points: Points) -> npt.NDArray[np.int32]:
    return np.asarray(np.rint(points * 2**_SHIFT), np.int32)


def _turned(angle: float) -> Field:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
