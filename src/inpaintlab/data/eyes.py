"""Finding faces and their eyes in an image: by OpenCV's cascades, or by dlib as an extra."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inpaintlab.arrays import Float64, UInt8
from inpaintlab.data.geometry import apply, invert, similarity, warp
from inpaintlab.errors import SettingError, near_miss
from inpaintlab.files import packaged_file

#: Eyes below this certainty are doubtful; each detector scales its own evidence to it.
CERTAIN = 0.5
#: Faces are looked for in an image whose longer side is at most this: a larger one only takes time.
LONGEST = 1024
_CASCADE_FOLDER = Path(cv2.__file__).parent / "data"
# Where the eyes are in the box that OpenCV draws around a face, in shares of its width. This and the
# other constants of the detectors were set on 485 portraits of people of all ages.
_IN_BOX = np.array([[0.31, 0.383], [0.69, 0.383]])


@dataclass(frozen=True)
class Face:
    """One face: its width in pixels, its eyes `[2, 2]`, the left one in the image first, or None.

    `certainty` of the eyes runs from 0 to 1; below `CERTAIN` they are doubtful.
    """

    width: float
    eyes: Float64 | None
    certainty: float = 0.0


def create(name: str) -> "HaarEyes | DlibEyes":
    """Return a detector of the table `DETECTORS`; raises `SettingError` for another name.

    One object serves one thread.
    """
    if name not in DETECTORS:
        raise SettingError(f"unknown detector {name!r}{near_miss(name, [*DETECTORS, 'points'])}")
    return DETECTORS[name]()


class HaarEyes:
    """Eyes by a vote of the cascades that come with OpenCV (Viola and Jones, 2001).

    Four cascades look at each face and at its mirror image; every hit is a vote for a place, and a
    place counts less the farther it is from where eyes are in a face. Then the face is set upright by
    what was found and looked at again. Certainty is the support of the weaker eye. Where that leaves
    the largest face doubtful, the image is tried again turned a little to either side.
    """

    # Each cascade, and how far below the middle of its hits the eye is, in shares of their width: the
    # last two were trained on eye and brow.
    _CASCADES = (
        ("eye", 0.0),
        ("eye_tree_eyeglasses", -0.004),
        ("lefteye_2splits", 0.153),
        ("righteye_2splits", 0.153),
    )
    # Side of the window in which eyes are looked for: a face as wide as this many pixels.
    _SIDE = 160
    # Votes this near to each other are for the same place, in pixels of the window.
    _NEAR = 4.0
    # How far eyes lie from their usual place, in pixels: by the face's box, then by the eyes found.
    _ASTRAY = (9.6, 6.4)
    # Support of the weaker eye that makes certainty 1; half of it is `CERTAIN`.
    _FULL_SUPPORT = 8.0

    def __init__(self) -> None:
        self._faces = [_cascade("frontalface_alt2"), _cascade("frontalface_default")]
        self._eyes = [(_cascade(name), below) for name, below in self._CASCADES]

    def find(self, pixels: UInt8) -> list[Face]:
        """Return the faces of an RGB image `[H, W, 3]`, the largest first."""
        gray = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
        best: list[Face] = []
        for degrees in (0, -25, 25):
            faces = [self._look(gray, usual) for usual in self._usual_places(gray, degrees)]
            faces.sort(key=lambda face: -face.width)
            if _certainty(faces) >= CERTAIN:
                return faces
            best = max(best, faces, key=_certainty)
        return best

    def _usual_places(self, gray: UInt8, degrees: float) -> list[Float64]:
        """Return where the eyes of each face would be in a usual face, that is tilted by so much."""
        scale = min(1.0, LONGEST / max(gray.shape))
        turn = _turn(gray, degrees, scale)
        height, width = (max(1, round(side * scale)) for side in gray.shape)
        turned = warp(gray, turn, width, height)
        smallest = max(24, min(turned.shape) // 10)
        for cascade in self._faces:
            boxes = cascade.detectMultiScale(turned, 1.1, 3, minSize=(smallest, smallest))
            if len(boxes):
                back = invert(turn)
                return [apply(back, np.array([x, y]) + w * _IN_BOX) for x, y, w, _ in boxes]
        return []

    def _look(self, gray: UInt8, usual: Float64) -> Face:
        """Look at one face twice, the second time upright."""
        width = _distance(usual) / _distance(_IN_BOX)
        eyes, support = usual, 0.0
        for astray in self._ASTRAY:
            into_window = similarity(eyes, _IN_BOX * self._SIDE)
            window = warp(gray, into_window, self._SIDE, round(0.7 * self._SIDE))
            votes = self._votes(window)
            if not len(votes):
                return Face(width, None)
            places = [self._elect(votes, place, astray) for place in _IN_BOX * self._SIDE]
            support = min(support for _, support in places)
            eyes = apply(invert(into_window), np.array([place for place, _ in places]))
            if _distance(eyes) < 0.2 * width:  # both sides elected the same eye
                return Face(width, None)
        return Face(width, in_order(eyes), min(1.0, support / self._FULL_SUPPORT))

    def _votes(self, window: UInt8) -> Float64:
        """Return `[N, 3]`: x, y and weight of every hit in the window and in its mirror image."""
        limits = {
            name: (round(share * self._SIDE),) * 2
            for name, share in (("minSize", 0.16), ("maxSize", 0.45))
        }
        votes = []
        for image, mirrored in ((window, False), (np.ascontiguousarray(window[:, ::-1]), True)):
            for cascade, below in self._eyes:
                boxes, counts = cascade.detectMultiScale2(image, 1.05, 1, **limits)
                for (left, top, w, h), count in zip(boxes, counts, strict=True):
                    x, y = left + (w - 1) / 2, top + (h - 1) / 2 + below * w
                    votes.append((self._SIDE - 1 - x if mirrored else x, y, np.log1p(count)))
        return np.array(votes, float).reshape(-1, 3)

    def _elect(self, votes: Float64, usual: Float64, astray: float) -> tuple[Float64, float]:
        """Return the place with the most support, averaged over the votes for it, and the support."""
        squares = ((votes[:, None, :2] - votes[None, :, :2]) ** 2).sum(axis=2)
        support = np.exp(-squares / (2 * self._NEAR**2)) @ votes[:, 2]
        support *= np.exp(-((votes[:, :2] - usual) ** 2).sum(axis=1) / (2 * astray**2))
        best = int(support.argmax())
        near = squares[best] < (1.5 * self._NEAR) ** 2
        return np.average(votes[near, :2], axis=0, weights=votes[near, 2]), float(support[best])


class DlibEyes:
    """Eyes by dlib's face detector and its five-point predictor (King, 2009), of the extra `faces`.

    Certainty follows the score of the face detector; a score of 0, its own limit, is `CERTAIN`.
    """

    # How far above the middle between its corners the middle of an eye is, in eye distances.
    _ABOVE_CORNERS = 0.034
    # Faces with a score from here up are looked at, and listed as doubtful below 0.
    _LOWEST_SCORE = -0.5

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError:
            raise _needs_extra() from None
        self._faces = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(_five_point_model()))

    def find(self, pixels: UInt8) -> list[Face]:
        """Return the faces of an RGB image `[H, W, 3]`, the largest first."""
        # The detector knows faces from 80 px up: small images are doubled, once.
        scale = min(LONGEST / max(pixels.shape[:2]), 2.0)
        size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)
        back = np.array(pixels.shape[1::-1]) / size
        boxes, scores, _ = self._faces.run(resized, 0, self._LOWEST_SCORE)
        faces = [self._look(resized, *found, back) for found in zip(boxes, scores, strict=True)]
        return sorted(faces, key=lambda face: -face.width)

    def _look(self, resized: UInt8, box: Any, score: float, back: Float64) -> Face:
        corners = [(point.x, point.y) for point in self._landmarks(resized, box).parts()[:4]]
        middles = np.array(corners, float).reshape(2, 2, 2).mean(axis=1)
        eyes = in_order((middles + 0.5) * back - 0.5)
        if _distance(eyes) == 0:
            return Face(box.width() * float(back[0]), None)
        across = eyes[1] - eyes[0]
        eyes = eyes + self._ABOVE_CORNERS * np.array([across[1], -across[0]])
        certainty = 1 / (1 + np.exp(-4 * score))
        return Face(box.width() * float(back[0]), eyes, float(certainty))


#: The detectors by name; `points` beside them reads a file and finds nothing by itself.
DETECTORS: dict[str, type[HaarEyes | DlibEyes]] = {"haar": HaarEyes, "dlib": DlibEyes}


def in_order(eyes: Float64) -> Float64:
    """Return a pair of points with the one on the left first."""
    return eyes[np.argsort(eyes[:, 0], kind="stable")]


def _certainty(faces: Sequence[Face]) -> float:
    return faces[0].certainty if faces else -1.0


def _distance(eyes: Float64) -> float:
    return float(np.linalg.norm(eyes[1] - eyes[0]))


def _turn(gray: UInt8, degrees: float, scale: float) -> Float64:
    """Return the transform that turns an image around its middle and scales it."""
    middle = np.array(gray.shape[::-1]) / 2 - 0.5
    turn = np.asarray(cv2.getRotationMatrix2D(middle.tolist(), -degrees, scale), np.float64)
    turn[:, 2] += (middle + 0.5) * (scale - 1)
    return turn


def _cascade(name: str) -> Any:
    return cv2.CascadeClassifier(str(_CASCADE_FOLDER / f"haarcascade_{name}.xml"))


def _five_point_model() -> Path:
    path = packaged_file("face_recognition_models", "models/shape_predictor_5_face_landmarks.dat")
    if path is None:
        raise _needs_extra()
    return path


def _needs_extra() -> SettingError:
    return SettingError(
        "detector dlib needs dlib and its model, not installed yet: pip install 'inpaintlab[faces]'"
    )
