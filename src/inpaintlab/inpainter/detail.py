"""Detail for a smooth fill, copied from known parts of the same image.

A fill, the guide, says what belongs in the hole but is smooth; the image shows how that looks. Patches
around each pixel of the hole are compared with patches that lie wholly in known pixels. The most
similar are copied, and overlapping copies are averaged (Wexler et al., Space-Time Completion of Video,
2007, section 3), from a coarse level of a pyramid to the finest. Copies hang together, because
neighbours propose their sources to each other (Barnes et al., PatchMatch, 2009, section 3.2). The low
frequencies stay the guide's.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from inpaintlab.arrays import Bool, Float32, Int64

#: Patches have 2 · RADIUS + 1 pixels a side.
RADIUS = 3
_SIDE = 2 * RADIUS + 1
#: Times that the patches of a level are compared and copied.
ROUNDS = 3
#: Holes no thicker than so many pixels need no coarser level.
THICK = 28
#: In pixels of the coarsest level: what is coarser than this Gaussian is the guide's.
LOW = 1.5
#: The guide has its full say from this many times `LOW` inside the hole; nearer to the edge the known
#: pixels say more.
RAMP = 2.0
#: Standard deviation of the Gaussian that parts what is compared into low and high frequencies.
CUT = 2.0
#: Principal components of the low and of the high frequencies of a patch that are compared.
COMPONENTS = 16
#: What high frequencies count beside low ones.
HIGH = 0.7
#: Source patches that all are compared with, on the coarsest level and on others.
EXACT, SAMPLE = 4000, 1500
#: Where lines cover a large image, the sources of the coarsest level are fewer, down to `SAMPLE / 2`, so
#: that not many more than these pairs are compared.
PAIRS = 20_000_000
#: On the coarsest level a known pixel of a patch counts so many times as much as one of the guide.
KNOWN = 40.0
#: A copy's weight falls by exp(-SHARP) from no cost to that which a quarter of all exceed, and by a
#: factor of EDGE with each pixel away from the hole's edge.
SHARP, EDGE = 5.0, 2.0
#: Averages are flatter than what they average: most that the finest structure is raised by.
RAISE = np.float32(1.75)
#: With fewer source patches than this there is nothing to copy.
_LEAST = 16


def copy_detail(known: Float32, hole: Bool, guide: Float32, *, seed: int = 0) -> Float32:
    """Return the image with the guide in its hole, and with texture and edges from the known pixels.

    `known` `[H, W, 3]` in [0, 1] is the image, `hole` `[H, W]` says what is to be filled, and `guide`
    `[H, W, 3]` with which colours: what the two say elsewhere is not looked at. Returns `[H, W, 3]` in
    [0, 1], whose known pixels are those of `known`. The guide is taken to be smooth: fine structure of
    its own is lost. It is returned as it is where the image has no room for patches. The same seed gives
    the same fill. The cost follows the pixels of the hole, and less those of the image: give a crop
    around the hole.
    """
    random = np.random.default_rng(seed)
    start = np.where(hole[..., None], guide, known).clip(0, 1).astype(np.float32)
    levels = _pyramid(start, hole)
    if not hole.any() or len(levels[0].sources) < _LEAST:
        return np.where(hole[..., None], start, known)
    low = LOW * 2 ** (len(levels) - 1)
    copy = _from_guide(levels[-1], low / 2 ** (len(levels) - 1), random)
    for depth in reversed(range(len(levels) - 1)):
        copy = _refined(levels[depth], copy, low / 2**depth, random)
    filled = _toned(levels[0], _raised(levels[0], copy), low)
    return np.where(hole[..., None], filled, known)


@dataclass(frozen=True)
class _Level:
    """An image with the guide in its hole, at one size of the pyramid.

    `depth` is the distance of the hole's pixels to its edge. `targets` are the middles, row and column,
    of the patches that have a pixel of the hole, `sources` of those that lie wholly in known pixels;
    `usable` says of each pixel whether it is one of the latter.
    """

    image: Float32
    hole: Bool
    depth: Float32
    targets: Int64
    sources: Int64
    usable: Bool


@dataclass(frozen=True)
class _Copy:
    """A filled level, and for each of its targets the middle of the source that it was copied from."""

    level: _Level
    filled: Float32
    matches: Int64


def _pyramid(image: Float32, hole: Bool) -> list[_Level]:
    """Return levels from the finest, each half as large, down to where the hole is thin enough."""
    levels = [_level(image, hole)]
    thickness = 2 * float(levels[0].depth.max())
    while thickness >= THICK:
        image, hole = _halved(image, hole)
        coarser = _level(image, hole)
        if len(coarser.sources) < _LEAST:
            break
        levels.append(coarser)
        thickness /= 2
    return levels


def _level(image: Float32, hole: Bool) -> _Level:
    near = cv2.dilate(hole.astype(np.uint8), np.ones((_SIDE, _SIDE), np.uint8)) > 0
    usable = np.zeros_like(hole)
    within = slice(RADIUS, -RADIUS)
    usable[within, within] = ~near[within, within]
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3)
    return _Level(image, hole, np.asarray(depth), np.argwhere(near), np.argwhere(usable), usable)


def _halved(image: Float32, hole: Bool) -> tuple[Float32, Bool]:
    """Make both half as large; a pixel with any hole in it is hole."""
    size = (-(-hole.shape[1] // 2), -(-hole.shape[0] // 2))
    share = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32), share > 0


def _from_guide(level: _Level, low: float, random: np.random.Generator) -> _Copy:
    """Fill the coarsest level: every target is compared with every source, pixel by pixel."""
    count = min(EXACT, max(SAMPLE // 2, PAIRS // len(level.targets)))
    sources = _some(level.sources, count, random)
    current, contrast = level.image, _contrast(level.image, level.hole)
    for turn in range(ROUNDS):
        # The guide is smooth. Among sharp sources the flattest would be most like it.
        soft = CUT if turn == 0 else 0.0
        there = _patches(_blurred(level.image, soft), contrast, sources)
        best, cost = _nearest_exactly(level, _blurred(current, soft), contrast, there)
        copy = _Copy(level, current, sources[best])
        current = _toned(level, _voted(copy, cost), low)
    return _Copy(level, current, copy.matches)


def _nearest_exactly(
    level: _Level, current: Float32, contrast: Float32, there: Float32
) -> tuple[Int64, Float32]:
    """Return for each target the source among patches `[N, n]` with the least squared difference.

    Known pixels weigh more: they show exactly where an edge enters the hole, the guide only roughly.
    """
    weight = np.where(level.hole, np.float32(1), np.float32(KNOWN))
    here = _patches(current, contrast, level.targets)
    weigh = _patches(np.repeat(weight[..., None], 3, axis=2), np.ones_like(contrast), level.targets)
    weigh /= weigh.mean(1, keepdims=True)
    best, cost = np.empty(len(here), np.int64), (weigh * here**2).sum(1)
    for part in _parts(len(here)):
        distance = weigh[part] @ (there**2).T - 2 * (weigh[part] * here[part]) @ there.T
        best[part] = distance.argmin(1)
        cost[part] += np.take_along_axis(distance, best[part, None], 1)[:, 0]
    return best, cost


def _patches(image: Float32, contrast: Float32, middles: Int64) -> Float32:
    """Return all pixels of the patches around some pixels, and their contrast, `[N, n]`."""
    at = tuple(middles.T)
    pixels = _windows(image)[at].reshape(len(middles), -1)
    return np.concatenate([pixels, contrast[at]], axis=1)


def _refined(level: _Level, coarser: _Copy, low: float, random: np.random.Generator) -> _Copy:
    """Fill a level from the one below, whose sources are the first that are tried."""
    matches = _enlarged_matches(level, coarser)
    larger = cv2.resize(coarser.filled, level.hole.shape[::-1], interpolation=cv2.INTER_CUBIC)
    current = np.where(level.hole[..., None], larger.clip(0, 1), level.image)
    features = _Features(level, random)
    there = features.of(level.image)
    for turn in range(ROUNDS):
        # What comes from the level below has no high frequencies yet.
        used = slice(-COMPONENTS if turn == 0 else None)
        search = _Search(level, there[..., used], features.of(current)[..., used], random)
        matches, cost = search.run(matches)
        current = _toned(level, _voted(_Copy(level, current, matches), cost), low)
    return _Copy(level, current, matches)


def _enlarged_matches(level: _Level, coarser: _Copy) -> Int64:
    """Return for each target the source that lies as far from it as that of the level below, doubled."""
    shift = np.zeros((*coarser.level.hole.shape, 2), np.int64)
    shift[tuple(coarser.level.targets.T)] = coarser.matches - coarser.level.targets
    return np.asarray(level.targets + 2 * shift[tuple(level.targets.T // 2)], np.int64)


class _Features:
    """Numbers for the patch around each pixel: of its low frequencies, its contrast, its high ones."""

    def __init__(self, level: _Level, random: np.random.Generator) -> None:
        some = _some(level.sources, SAMPLE, random)
        low = _blurred(level.image, CUT)
        self.low, self.high = (_components(of, some) for of in (low, level.image - low))
        self.contrast = _contrast(level.image, level.hole)

    def of(self, image: Float32) -> Float32:
        """Return `[H, W, n]`; squared differences are about those of patches."""
        low = _blurred(image, CUT)
        high = _filtered(image - low, self.high * HIGH)
        return np.concatenate([_filtered(low, self.low), self.contrast, high], axis=2)


def _components(image: Float32, middles: Int64) -> Tensor:
    """Return the principal components of patches as filters, `[COMPONENTS, 3, side, side]`."""
    patches = _windows(image)[tuple(middles.T)].reshape(len(middles), -1).astype(np.float64)
    centred = patches - patches.mean(0)
    vectors = np.linalg.eigh(centred.T @ centred)[1][:, -COMPONENTS:]
    return torch.from_numpy(vectors.T.reshape(-1, 3, _SIDE, _SIDE).astype(np.float32))


def _filtered(image: Float32, filters: Tensor) -> Float32:
    wide = F.pad(torch.from_numpy(image).permute(2, 0, 1)[None], [RADIUS] * 4, mode="replicate")
    return np.asarray(F.conv2d(wide, filters)[0].permute(1, 2, 0).contiguous().numpy())


def _contrast(image: Float32, hole: Bool) -> Float32:
    """Return how strong edges are around each pixel, across, down and slanting, `[H, W, 3]`.

    In the hole, where a guide has none to speak of, it is continued from around it. A difference counts
    as much as if all pixels of a patch had it.
    """
    grey = image.mean(2)
    across, down = cv2.Sobel(grey, -1, 1, 0) / 4, cv2.Sobel(grey, -1, 0, 1) / 4
    sure = 1 - cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
    products = np.stack([across**2, down**2, across * down], axis=2) * sure[..., None]
    mean = _blurred(products, 3.0) / np.maximum(_blurred(sure, 3.0), 1e-3)[..., None]
    edges = np.sqrt(mean[..., :2] + 1e-8)
    slant = mean[..., 2:] / np.sqrt((edges**2).sum(2, keepdims=True))
    return _continued(np.concatenate([edges, slant], axis=2) * np.float32(_SIDE), hole)


def _continued(values: Float32, hole: Bool) -> Float32:
    """Return values `[H, W, C]` with their smooth continuation in the hole, from coarse to fine."""
    if not hole.any() or min(hole.shape) < 4:
        return values
    known = np.where(hole, np.float32(0), np.float32(1))
    size = (-(-hole.shape[1] // 2), -(-hole.shape[0] // 2))
    share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(values * known[..., None], size, interpolation=cv2.INTER_AREA)
    mean = np.asarray(total / np.maximum(share, 1e-6)[..., None], np.float32)
    smaller = _continued(mean, share == 0)
    larger = cv2.resize(smaller, hole.shape[::-1], interpolation=cv2.INTER_LINEAR)
    found = np.where(hole[..., None], larger, values)
    for _ in range(4):
        found = np.where(hole[..., None], cv2.blur(found, (3, 3)), values)
    return found


class _Search:
    """The nearest source of each target by features `[H, W, n]`: those of sources, those of targets."""

    def __init__(
        self, level: _Level, there: Float32, here: Float32, random: np.random.Generator
    ) -> None:
        self.level, self.there, self.random = level, there, random
        self.wanted = here[tuple(level.targets.T)]
        self.best, self.cost = self._sampled(_some(level.sources, SAMPLE, random))
        self.index = np.full(level.hole.shape, -1)
        self.index[tuple(level.targets.T)] = np.arange(len(level.targets))

    def run(self, matches: Int64) -> tuple[Int64, Float32]:
        """Return the best of these matches, of a sample, and of what neighbours and chance propose."""
        self._try(matches)
        for step in (8, 4, 2, 1, 1):
            for shift in ((0, step), (step, 0), (0, -step), (-step, 0)):
                self._try(self._proposed(np.array(shift)))
            self._try(self.best + self.random.integers(-step, step + 1, self.best.shape))
        return self.best, self.cost

    def _sampled(self, sources: Int64) -> tuple[Int64, Float32]:
        features = self.there[tuple(sources.T)]
        squares = (features**2).sum(1)
        best, cost = np.empty((len(self.wanted), 2), np.int64), (self.wanted**2).sum(1)
        for part in _parts(len(self.wanted)):
            distance = squares - 2 * self.wanted[part] @ features.T
            nearest = distance.argmin(1)
            best[part] = sources[nearest]
            cost[part] += np.take_along_axis(distance, nearest[:, None], 1)[:, 0]
        return best, cost

    def _proposed(self, shift: Int64) -> Int64:
        """Return what goes on from the source of the target a shift away; -1 without such a target."""
        at = self.level.targets + shift
        limit = np.array(self.level.hole.shape) - 1
        neighbour = self.index[tuple(at.clip(0, limit).T)]
        there = (neighbour >= 0) & (at >= 0).all(1) & (at <= limit).all(1)
        return np.where(there[:, None], self.best[neighbour] - shift, -1)

    def _try(self, proposed: Int64) -> None:
        limit = np.array(self.level.hole.shape) - 1
        chosen = np.flatnonzero((proposed >= 0).all(1) & (proposed <= limit).all(1))
        chosen = chosen[self.level.usable[tuple(proposed[chosen].T)]]
        cost = ((self.there[tuple(proposed[chosen].T)] - self.wanted[chosen]) ** 2).sum(1)
        better = cost < self.cost[chosen]
        self.best[chosen[better]], self.cost[chosen[better]] = proposed[chosen[better]], cost[better]


def _voted(copy: _Copy, cost: Float32) -> Float32:
    """Fill the hole with the mean of all copies that cover a pixel, weighted by cost and by depth."""
    level = copy.level
    height, width = level.hole.shape
    rows, columns = np.nonzero(level.hole)
    match, merit = np.zeros((height, width, 2), np.int64), np.zeros((height, width), np.float32)
    match[tuple(level.targets.T)] = copy.matches
    dear = np.percentile(cost, 75) + 1e-6
    merit[tuple(level.targets.T)] = -SHARP * np.minimum(cost / dear, 10)
    merit -= np.float32(np.log(EDGE)) * level.depth
    own = np.float32(np.log(EDGE)) * level.depth[rows, columns]
    total, weights = np.zeros((len(rows), 3), np.float32), np.zeros(len(rows), np.float32)
    for down, right in np.ndindex(_SIDE, _SIDE):
        y, x = rows + down - RADIUS, columns + right - RADIUS
        there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        y, x = np.where(there, y, rows), np.where(there, x, columns)
        weight = np.exp(merit[y, x] + own) * there
        from_row, from_column = match[y, x].T
        colours = level.image[from_row + RADIUS - down, from_column + RADIUS - right]
        total += weight[:, None] * colours
        weights += weight
    filled = level.image.copy()
    filled[rows, columns] = total / weights[:, None]
    return filled


def _toned(level: _Level, filled: Float32, low: float) -> Float32:
    """Give a filled hole the low frequencies of the guide: all of them inside, none at the edge."""
    share = np.maximum(_blurred(level.hole.astype(np.float32), low), 1e-3)
    # Outside the hole both are the known image.
    missing = _blurred(level.image - filled, low) / share[..., None]
    say = np.minimum(1, level.depth / np.float32(RAMP * low))
    return np.asarray((filled + missing * say[..., None]).clip(0, 1), np.float32)


def _raised(level: _Level, copy: _Copy) -> Float32:
    """Raise the finest structure half the way, on a scale of ratios, to what single copies have."""
    single = level.image.copy()
    single[tuple(level.targets.T)] = level.image[tuple(copy.matches.T)]
    single = np.where(level.hole[..., None], single, level.image)
    fine, wanted = (of - _blurred(of, 1.0) for of in (copy.filled, single))
    own, other = (_blurred((of**2).mean(2), 3.0) + 1e-7 for of in (fine, wanted))
    gain = np.clip((other / own) ** 0.25, 1, RAISE)
    return np.asarray(copy.filled + (gain[..., None] - 1) * fine, np.float32)


def _blurred(values: Float32, deviation: float) -> Float32:
    """Blur with a Gaussian; 0 leaves values as they are."""
    if deviation == 0:
        return values
    return np.asarray(cv2.GaussianBlur(values, (0, 0), deviation, borderType=cv2.BORDER_REFLECT))


def _windows(image: Float32) -> Float32:
    """Return a view of the patch around each pixel, `[H, W, C, side, side]`; the border is repeated."""
    wide = np.pad(image, ((RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(wide, (_SIDE, _SIDE), (0, 1))


def _some(places: Int64, count: int, random: np.random.Generator) -> Int64:
    """Return at most so many places, drawn without putting back."""
    if len(places) <= count:
        return places
    return places[random.choice(len(places), count, replace=False)]


def _parts(count: int) -> list[slice]:
    """Return slices that share out so many targets: a table of their distances stays small."""
    return [slice(start, start + 2048) for start in range(0, count, 2048)]
