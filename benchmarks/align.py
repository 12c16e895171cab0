"""How near the eyes are that `inpaint align` finds, by given points, OpenCV and dlib.

An eye is right when it lies within a tenth of the eye distance of the truth, and an image when both its
eyes are. The truth is the mean of rows 19–24 and of rows 25–30 of NAME.txt, counted from 0. The
constants of the detectors were set on the tuned half (names with an even CRC-32); the held-out half set
none. The error is that of the worse eye, where eyes were found. One thread.

Usage: python benchmarks/align.py PICTURES KEYPOINTS [METHOD …]      methods: points haar dlib
"""

import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np

from inpaintlab.data import eyes
from inpaintlab.data.faces import eye_places
from inpaintlab.data.folders import FolderDataset
from inpaintlab.data.geometry import apply, similarity
from inpaintlab.data.keypoints import KnownEyes, open_points
from inpaintlab.images import load_rgb_whole

ROWS = ((19, 24), (25, 30))


def main(images: str, keypoints: str, *methods: str) -> None:
    cv2.setNumThreads(1)
    source, truth = FolderDataset(Path(images)), open_points(Path(keypoints), *ROWS)
    print("| eyes by | images | of all right | certain | of the certain right | mean error | a second |")
    print("|---|---|---|---|---|---|---|")
    for method in methods or ("points", "haar", "dlib"):
        measure = landing if method == "points" else finding
        started = time.perf_counter()
        results = measure(method, source, truth)
        rate = len(results) / (time.perf_counter() - started)
        tuned = np.array([zlib.crc32(name.encode()) % 2 == 0 for name in source.names])
        everything = np.ones(len(tuned), bool)
        for part, chosen in (("tuned", tuned), ("held out", ~tuned), ("all", everything)):
            print(row(f"{method}, {part}", results[chosen], rate))


def landing(_: str, source: FolderDataset, truth: KnownEyes) -> np.ndarray:
    """Return error and certainty, `[N, 2]`, of given eyes in a crop of 200 px as UTKFace.

    It is that of the transform; the tests look for dots drawn at the eyes in the crops themselves.
    """
    goal = eye_places("utkface") * 200 - 0.5
    results = []
    for name in source.names:
        (face,) = truth(name)
        landed = apply(similarity(face.eyes, goal), face.eyes)
        results.append((error_of(landed, goal), 1.0))
    return np.array(results)


def finding(method: str, source: FolderDataset, truth: KnownEyes) -> np.ndarray:
    """Return error and certainty, `[N, 2]`, of the largest face of each image; no eyes: infinite."""
    detector, results = eyes.create(method), []
    for name in source.names:
        pixels, _ = load_rgb_whole(source.folder / name)
        found, (true,) = detector.find(pixels)[:1], truth(name)
        if found and found[0].eyes is not None:
            results.append((error_of(found[0].eyes, true.eyes), found[0].certainty))
        else:
            results.append((np.inf, 0.0))
    return np.array(results)


def error_of(points: np.ndarray, truth: np.ndarray) -> float:
    """Return the error of the worse eye in eye distances."""
    return float(np.linalg.norm(points - truth, axis=1).max() / np.linalg.norm(truth[1] - truth[0]))


def row(name: str, results: np.ndarray, rate: float) -> str:
    error, certain = results[:, 0], results[:, 1] >= eyes.CERTAIN
    right, found = error < 0.1, np.isfinite(error)
    shares = (
        f"{len(error):,} | {right.mean():.1%} | {certain.mean():.1%} | {right[certain].mean():.1%} "
        f"| {error[found].mean():.1%}"
    )
    return f"| {name} | {shares} | {rate:.1f} |"


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
