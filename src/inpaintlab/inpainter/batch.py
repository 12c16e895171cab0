"""`inpaint fill`: one image, or all of a folder or a list, and going on where that was stopped.

Threads read and write images while the main thread runs the network, so that it need not wait; only a
few images are in memory at a time.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inpaintlab.arrays import UInt8
from inpaintlab.checkpoints import newest_run
from inpaintlab.errors import InpaintlabError, MaskError, OutputError, SettingError
from inpaintlab.images import WRITABLE, DecodedImage, load, save
from inpaintlab.inpainter.fill_log import FillLog
from inpaintlab.inpainter.inpainter import Inpainter
from inpaintlab.inpainter.lists import LISTS
from inpaintlab.inpainter.naming import check_outputs, name_outputs
from inpaintlab.inpainter.pairs import Pair, Pairing, find_pairs
from inpaintlab.inpainter.preview import PREVIEW, write_preview
from inpaintlab.inpainter.sources import WeightsFile, find_weights
from inpaintlab.inpainter.telling import Done, summary, tell_of_pairs
from inpaintlab.machine import processors
from inpaintlab.masks import looks_inverted, read_mask
from inpaintlab.progress import bar, say
from inpaintlab.settings import FillSettings

#: So many masks are looked at before a batch begins: do most of them mark everything but the hole?
MASKS_LOOKED_AT = 40
#: So many images are read ahead of the network, and as many written behind it, for each thread.
AHEAD = 2


@dataclass(frozen=True)
class Job:
    """A pair to fill, and what its result depends on."""

    pair: Pair
    made_from: dict[str, Any]


@dataclass(frozen=True)
class Loaded:
    """An image and its hole in memory, with notes for the user.

    `kinds` are the notes without names, so that one kind can be counted.
    """

    image: DecodedImage
    hole: UInt8
    notes: list[str]
    kinds: list[str]


@dataclass(frozen=True)
class Writing:
    """A filled image on its way to the disk; the future gives notes on what its format lost."""

    job: Job
    notes: list[str]
    kinds: list[str]
    future: Future[list[str]]


def fill_files(settings: FillSettings) -> dict[str, Any]:
    """Fill one image, or every image of a folder or a list, each with its mask.

    For one image the result has `output`, `run` and `notes`. For several, it also has `rule`, the
    numbers `images`, `filled`, `skipped` (there already, from the same image, mask and network) and
    `failed`, the first `failures` with their reasons, `without_mask` and `without_image`; `findings`
    holds a sentence for everything amiss. What failed stands in `fill.jsonl` in the folder of results,
    by which the same call goes on after an interruption.

    Raises `InpaintlabError` before anything is filled where images and masks cannot be paired, where
    two results would have one name or replace an input, and where most masks look inverted.
    """
    if settings.output is None:
        raise SettingError("where should the result go? Name a file, or a folder for several, with -o")
    pairing = find_pairs(settings.image, settings.mask, settings.output)
    alone = settings.image.is_file() and settings.image.suffix.lower() not in LISTS
    if alone and len(pairing.pairs) == 1:
        return _fill_one(settings, pairing.pairs[0], settings.output)
    return _fill_many(settings, pairing, settings.output)


def _fill_one(settings: FillSettings, pair: Pair, output: Path) -> dict[str, Any]:
    if output.is_dir():
        (pair,) = name_outputs([pair], settings.format)
        output = output / pair.name
    elif settings.format not in (None, "same"):
        raise SettingError(f"the suffix of {output} says the format already: leave --format out")
    if settings.preview:
        return _preview([pair], output.with_name(f"{output.stem}_preview.png"), settings)
    run = settings.run or newest_run(Path("runs"))
    notes = Inpainter.load(run, quickest=True).fill_file(
        pair.image,
        pair.mask,
        output,
        invert_mask=settings.invert_mask,
        strategy=settings.strategy,
        blend=settings.blend,
        explain=settings.verbose,
    )
    return {"output": str(output), "run": str(run), "notes": notes, "findings": []}


def _fill_many(settings: FillSettings, pairing: Pairing, output: Path) -> dict[str, Any]:
    if output.is_file() or (output.suffix.lower() in WRITABLE and not output.is_dir()):
        raise OutputError(f"{output} is a file, but there are several results: name a folder with -o")
    pairs = name_outputs(pairing.pairs, settings.format)
    check_outputs(pairs, output)
    number, count = settings.part
    mine = pairs[number - 1 :: count]
    if settings.preview:
        check_outputs([*pairs, replace(pairs[0], name=Path(PREVIEW))], output)
        tell_of_pairs(pairing, mine, settings)
        return _preview(mine, output / PREVIEW, settings)
    run = settings.run or newest_run(Path("runs"))
    log = FillLog(output, settings.part)
    weights = WeightsFile.of(find_weights(run)).sha256()
    jobs = [Job(pair, _origin(pair, settings, weights)) for pair in mine]
    todo = [job for job in jobs if not log.has(job.pair.name, job.made_from)]
    if settings.invert_mask is None:
        check_polarity(job.pair.mask for job in todo)
    inpainter = Inpainter.load(run, quickest=True) if todo else None
    tell_of_pairs(pairing, mine, settings)
    done = Done()
    if inpainter is not None:
        with log:
            _run(todo, inpainter, log, settings, done)
    return {"run": str(run)} | summary(settings, pairing, log.path, len(mine), done)


def check_polarity(masks: Iterable[Path]) -> None:
    """Raise `MaskError` where most masks look inverted, judged by some from all over."""
    different = list(dict.fromkeys(masks))
    some = different[:: -(-len(different) // MASKS_LOOKED_AT) or 1]
    inverted = []
    for path in some:
        try:
            inverted += [path] if looks_inverted(read_mask(path)[0]) else []
        except InpaintlabError:
            continue  # it is named when its turn comes
    if len(inverted) * 2 > len(some):
        raise MaskError(
            f"{len(inverted)} of {len(some)} masks looked at seem inverted, {inverted[0].name} first: "
            f"white, the hole, is all round the border. Say --invert-mask if black marks the hole, "
            f"--no-invert-mask if they are right; --preview shows them"
        )


def _run(
    jobs: list[Job], inpainter: Inpainter, log: FillLog, settings: FillSettings, done: Done
) -> None:
    """Read, fill and write; what fails is logged, and the rest goes on.

    An interruption waits for the images that are being written, and logs them.
    """
    workers = settings.workers or min(4, processors())
    began = time.monotonic()
    writing: deque[Writing] = deque()
    with ThreadPoolExecutor(workers) as pool, bar("filling images", len(jobs)) as advance:
        try:
            for job, reading in _read_ahead(jobs, pool, settings, workers * AHEAD):
                try:
                    loaded = reading.result()
                    if settings.verbose:
                        say(f"{job.pair.name}: {inpainter.explain(loaded.hole, settings.strategy)}")
                    filled = inpainter.fill_image(
                        loaded.image,
                        loaded.hole,
                        job.pair.mask.name,
                        strategy=settings.strategy,
                        blend=settings.blend,
                    )
                except Exception as error:  # noqa: BLE001 - one image must not end a night's work
                    _failed(job, error, log, done)
                    advance()
                    continue
                future = pool.submit(save, log.folder / job.pair.name, filled)
                writing.append(Writing(job, loaded.notes, loaded.kinds, future))
                while len(writing) > workers * AHEAD:
                    _written(writing.popleft(), log, done)
                advance()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            _finish(writing, log, done)
            say(f"stopped after {done.filled} of {len(jobs)}; the same command goes on")
            raise
        _finish(writing, log, done)
    done.seconds = time.monotonic() - began


def _read_ahead(
    jobs: list[Job], pool: ThreadPoolExecutor, settings: FillSettings, ahead: int
) -> Iterator[tuple[Job, Future[Loaded]]]:
    """Yield the jobs in their order, with the next ones being read meanwhile."""
    waiting: deque[tuple[Job, Future[Loaded]]] = deque()
    for job in jobs:
        waiting.append((job, pool.submit(_read, job.pair, settings.invert_mask)))
        if len(waiting) > ahead:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


def _read(pair: Pair, invert_mask: bool | None) -> Loaded:
    image = load(pair.image)
    hole, notes = read_mask(pair.mask, invert=invert_mask)
    kinds = [note.replace(pair.image.name, "an image") for note in image.notes]
    kinds += [note.replace(pair.mask.name, "a mask") for note in notes]
    return Loaded(image, hole, [*image.notes, *notes], kinds)


def _finish(writing: deque[Writing], log: FillLog, done: Done) -> None:
    while writing:
        if not (one := writing.popleft()).future.cancelled():
            _written(one, log, done)


def _written(one: Writing, log: FillLog, done: Done) -> None:
    """Log an image when it has been written; a disk that refuses ends the batch."""
    try:
        lost = one.future.result()
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - as where images are filled
        _failed(one.job, error, log, done)
        return
    name = one.job.pair.name
    size = (log.folder / name).stat().st_size
    log.add(name, made_from=one.job.made_from, bytes=size, notes=one.notes + lost)
    done.filled += 1
    done.notes.update(one.kinds + lost)


def _failed(job: Job, error: Exception, log: FillLog, done: Done) -> None:
    reason = " ".join(str(error).split())
    if not isinstance(error, InpaintlabError):
        reason = f"{type(error).__name__}: {reason}"
    log.add(job.pair.name, image=str(job.pair.image), mask=str(job.pair.mask), error=reason)
    done.failures.append({"image": str(job.pair.image), "error": reason})


def _origin(pair: Pair, settings: FillSettings, weights: str) -> dict[str, Any]:
    """Return what a result depends on: change any of it, and the image is filled again."""
    return {
        "image": _stamp(pair.image),
        "mask": _stamp(pair.mask),
        "weights": weights,
        "invert_mask": bool(settings.invert_mask),
        "strategy": settings.strategy,
        "blend": settings.blend,
    }


def _stamp(path: Path) -> list[str | int]:
    """Return the name, size and time of a file; of a missing one the name, and its turn says so."""
    try:
        status = path.stat()
    except OSError:
        return [path.name]
    return [path.name, status.st_size, status.st_mtime_ns]


def _preview(pairs: list[Pair], path: Path, settings: FillSettings) -> dict[str, Any]:
    notes = write_preview(path, pairs, invert_mask=bool(settings.invert_mask))
    return {"preview": str(path), "notes": notes, "findings": []}
