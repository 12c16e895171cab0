"""`inpaint fill`: one image, or all of a folder or a list, and going on where that was stopped.

Threads read and write images while the main thread runs the network, so that it need not wait; only a
few images are in memory at a time.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from inpaintlab.arrays import UInt8
from inpaintlab.baselines import BASELINES, title
from inpaintlab.errors import OutputError, SettingError, TrustError
from inpaintlab.files import mark_outputs, read_mark
from inpaintlab.images import LOSSLESS, WRITABLE, DecodedImage, check_writable, load, save
from inpaintlab.inpainter.assessment import RIVAL
from inpaintlab.inpainter.fill_log import Failure, FillLog, Job, check_unclaimed
from inpaintlab.inpainter.inpainter import Inpainter
from inpaintlab.inpainter.lists import LISTS
from inpaintlab.inpainter.pairs import (
    Pair,
    Pairing,
    check_outputs,
    check_suffix,
    find_pairs,
    name_outputs,
    variant_names,
)
from inpaintlab.inpainter.preview import PAIRS, PREVIEW, write_preview
from inpaintlab.inpainter.ways import AUTO, check_method
from inpaintlab.inpainter.weights import WeightsFile, find_weights
from inpaintlab.machine import processors
from inpaintlab.masks import COMMAND, check_polarity, read_mask
from inpaintlab.progress import bar, say
from inpaintlab.reports import Answer, Note, Result
from inpaintlab.runs import DEFAULT, run_or_default
from inpaintlab.settings import FillSettings

#: What is said to masks that look inverted.
INVERTED_BY = (
    "--invert-mask if black marks the hole, --no-invert-mask if they are right; --preview shows them"
)
#: So many images are read ahead of the network, and as many written behind it, for each thread.
AHEAD = 2
#: So many names stand in a message, so many failures in a result.
NAMES, FAILURES = 3, 20


@dataclass(frozen=True)
class Filled(Result):
    """What `fill_files` did: `images` were `filled`, `skipped` as they were there already, or `failed`.

    `output` is the file of one image or the folder of several, whose `rule` says how masks were found;
    `method` is a baseline, or how the model of the `run` filled, with a `fallback` for images unlike
    those it was trained on; each image so many `variants`, the first under its name, and the others as
    NAME-2 and so on. `failures` are the first ones, `log` has all. Of a `preview` nothing else was
    written. `findings` are sentences on what is amiss.
    """

    output: Path
    run: Path | None = None
    method: str = AUTO
    variants: int = 1
    fallback: str = "none"
    preview: Path | None = None
    rule: str | None = None
    images: int = 1
    filled: int = 0
    skipped: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    without_mask: list[Path] = field(default_factory=list)
    without_image: list[Path] = field(default_factory=list)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def answer(self) -> Answer:
        """Return what was filled, and everything amiss."""
        findings = [Note(text, head="finding:") for text in self.findings]
        notes = [*findings, *(Note(text, "quiet", head="note:") for text in self.notes)]
        return Answer(self._headline(), notes=notes)

    def _headline(self) -> str:
        if self.preview:
            some = f" of the first {PAIRS} of {self.images} images" if self.images > PAIRS else ""
            return f"{self.preview} shows the holes{some} in red; nothing was filled"
        if self.rule is None and not self.filled:
            return f"nothing was filled: {self.output} is not written"
        if self.rule is None:
            name, *others = map(str, variant_names(self.output, self.variants))
            among = f" to {others[-1]}, the most typical first" if others else ""
            return f"{name}{among} (filled by {self._by()})"
        skipped = f", {self.skipped} were there already" if self.skipped else ""
        failed = f", {self.failed} failed" if self.failed else ""
        times = f" in {self.variants} ways each" if self.variants > 1 else ""
        return f"{self.output}: {self.filled} filled{times}{skipped}{failed} (by {self._by()})"

    def _by(self) -> str:
        if self.method in BASELINES:
            return title(self.method)
        is_default = self.run == Path(DEFAULT)
        model = "the model that comes with inpaintlab" if is_default else str(self.run)
        return f"{model}, or {title(RIVAL)} where it does better" if self.fallback == AUTO else model


def fill_files(settings: FillSettings) -> Filled:
    """Fill one image, or every image of a folder or a list, each with its mask.

    What fails is noted in `fill.jsonl` in the folder of results, by which the same call goes on after an
    interruption. Raises `InpaintlabError` before anything is filled where images and masks cannot be
    paired, two results would have one name or replace an input, or most masks look inverted.
    """
    if settings.output is None:
        raise SettingError("where should the result go? Name a file, or a folder for several, with -o")
    check_method(settings.method)
    pairing = find_pairs(settings.image, settings.mask, settings.output)
    alone = settings.image.is_file() and settings.image.suffix.lower() not in LISTS
    if alone and len(pairing.pairs) == 1:
        return _fill_one(settings, pairing.pairs[0], settings.output)
    return _fill_many(settings, pairing, settings.output)


def _fill_one(settings: FillSettings, pair: Pair, output: Path) -> Filled:
    if output.is_dir():
        (pair,) = name_outputs([pair], settings.format)
        output = output / pair.name
    elif settings.format not in (None, "same"):
        raise SettingError(f"the suffix of {output} says the format already: leave --format out")
    check_suffix(output)
    if settings.preview:
        return _preview([pair], output, output.with_name(f"{output.stem}_preview.png"), settings)
    names = variant_names(output, settings.variants)
    check_unclaimed(names[1:], "give another name with -o")  # which nobody has named
    run = run_or_default(settings.run)
    inpainter = Inpainter.load(run, quickest=True)
    try:
        notes = _filled_file(inpainter, pair, output, settings)
    except TrustError as error:
        reason = f"{error}; {output} is what an earlier run wrote" if output.exists() else str(error)
        failures, findings = [Failure(pair.image, reason)], [f"{pair.image.name}: {reason}"]
        return Filled(output, run, settings.method, failed=1, failures=failures, findings=findings)
    mark_outputs(output.parent, [name.name for name in names])
    if settings.uncertainty:
        mark_outputs(settings.uncertainty.parent, [settings.uncertainty.name])
    how = (settings.method, settings.variants, settings.fallback)
    return Filled(output, run, *how, filled=1, notes=notes)


def _filled_file(inpainter: Inpainter, pair: Pair, output: Path, settings: FillSettings) -> list[str]:
    """Fill one image, write it, and return notes for the user."""
    return inpainter.fill_file(
        pair.image,
        pair.mask,
        output,
        invert_mask=settings.invert_mask,
        grey_mask=settings.grey_mask,
        variants=settings.variants,
        seed=settings.seed,
        spread=settings.spread,
        method=settings.method,
        strategy=settings.strategy,
        blend=settings.blend,
        fallback=settings.fallback,
        strict=settings.strict,
        judged=settings.judge,
        uncertainty=settings.uncertainty,
        tell=settings.verbose,
    )


def _fill_many(settings: FillSettings, pairing: Pairing, output: Path) -> Filled:
    if output.is_file() or (output.suffix.lower() in WRITABLE and not output.is_dir()):
        raise OutputError(f"{output} is a file, but there are several results: name a folder with -o")
    if settings.uncertainty:
        raise SettingError("a map of the uncertainty is of one image: leave --uncertainty out")
    pairs = name_outputs(pairing.pairs, settings.format)
    check_outputs(pairs, output, settings.variants)
    number, count = settings.part
    mine = pairs[number - 1 :: count]
    if settings.preview:
        check_outputs([*pairs, replace(pairs[0], name=Path(PREVIEW))], output)
        _tell_of_pairs(pairing, mine, settings)
        return _preview(mine, output, output / PREVIEW, settings)
    run = run_or_default(settings.run)
    log = FillLog(output, settings.part, settings.variants)
    weights = WeightsFile.of(find_weights(run)).sha256()
    jobs = [Job.of(pair, settings, weights) for pair in mine]
    todo = [job for job in jobs if not log.has(job)]
    log.check_free(todo)
    if settings.invert_mask is None:
        check_polarity([job.pair.mask for job in todo], INVERTED_BY)
    inpainter = Inpainter.load(run, quickest=True) if todo else None
    if inpainter is not None and settings.variants > 1:
        inpainter.check_varies(settings.method)
    _tell_of_pairs(pairing, mine, settings)
    began = time.monotonic()
    if inpainter is not None:
        mark_outputs(output)
        if "*" not in read_mark(output):
            for folder, names in groupby(sorted(pair.name for pair in pairs), lambda name: name.parent):
                each = [one.name for name in names for one in variant_names(name, settings.variants)]
                mark_outputs(output / folder, each)
        with log:
            _run(todo, inpainter, log, settings)
    failed = len(log.failures)
    return Filled(
        output,
        run,
        settings.method,
        settings.variants,
        settings.fallback,
        rule=pairing.rule,
        images=len(mine),
        filled=log.filled,
        skipped=len(mine) - log.filled - failed,
        failed=failed,
        failures=log.failures[:FAILURES],
        without_mask=pairing.without_mask,
        without_image=pairing.without_image,
        seconds=round(time.monotonic() - began, 3),
        notes=[note if times == 1 else f"{note} ({times} times)" for note, times in log.notes.items()],
        findings=_findings(log, pairing, len(mine)),
    )


def _findings(log: FillLog, pairing: Pairing, images: int) -> list[str]:
    findings = []
    if log.failures:
        first = log.failures[0].error
        findings.append(
            f"{len(log.failures)} of {images} failed, the first: {first}; all are in {log.path}"
        )
    if pairing.without_mask:
        findings.append(f"{_names(pairing.without_mask, 'image')} without a mask")
    return findings


def _tell_of_pairs(pairing: Pairing, mine: list[Pair], settings: FillSettings) -> None:
    """Say how images and masks were paired, and where formats change."""
    images = len({pair.image for pair in pairing.pairs})
    masks = len({pair.mask for pair in pairing.pairs})
    say(f"paired {_count(images, 'image')} with {_count(masks, 'mask')} by: {pairing.rule}")
    if settings.shard:
        say(f"shard {settings.shard}: {len(mine)} of {len(pairing.pairs)}")
    if pairing.without_image:
        say(f"{_names(pairing.without_image, 'mask')} without an image")
    changed = [p for p in mine if not p.fixed and p.image.suffix.lower() not in LOSSLESS]
    if changed and settings.format is None:
        before = " or ".join(sorted({pair.image.suffix for pair in changed}))
        after = " or ".join(sorted({pair.name.suffix for pair in changed}))
        kept = "so that known pixels stay bit by bit (--format same keeps the format)"
        say(f"{before} becomes {after}, {kept}")


def _count(count: int, what: str) -> str:
    return f"{count} {what}" + "s" * (count != 1)


def _names(paths: Sequence[Path], what: str) -> str:
    names = ", ".join(path.name for path in paths[:NAMES])
    return f"{_count(len(paths), what)} ({names}{', …' if len(paths) > NAMES else ''})"


#: An image and its hole, and notes for the user, each with its kind: the note without names.
Loaded = tuple[DecodedImage, UInt8, dict[str, str]]
#: A filled image on its way to the disk; the future gives notes on what its format lost.
Writing = tuple[Job, dict[str, str], Future[list[str]]]


def _run(jobs: list[Job], inpainter: Inpainter, log: FillLog, settings: FillSettings) -> None:
    """Read, fill and write; what fails is logged, and the rest goes on.

    An interruption waits for the images that are being written, and logs them.
    """
    workers = settings.workers or min(4, processors())
    writing: deque[Writing] = deque()
    with ThreadPoolExecutor(workers) as pool, bar("filling images", len(jobs)) as advance:
        try:
            for job, reading in _read_ahead(jobs, pool, settings, workers * AHEAD):
                try:
                    image, hole, notes = reading.result()
                    fills = _fill(job.pair, image, hole, inpainter, settings, notes)
                except Exception as error:  # noqa: BLE001 - one image must not end a night's work
                    log.add_failed(job, error)
                else:
                    writing.append((job, notes, pool.submit(_save, log.folder / job.pair.name, fills)))
                while len(writing) > workers * AHEAD:
                    _written(*writing.popleft(), log)
                advance()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            _finish(writing, log)
            say(f"stopped after {log.filled} of {len(jobs)}; the same command goes on")
            raise
        _finish(writing, log)


def _fill(
    pair: Pair,
    image: DecodedImage,
    hole: UInt8,
    inpainter: Inpainter,
    settings: FillSettings,
    notes: dict[str, str],
) -> list[DecodedImage]:
    """Fill an image; doubts are added to its notes."""
    how: dict[str, Any] = {"strategy": settings.strategy, "door": COMMAND}
    method, doubts, _ = inpainter.heeded(
        image,
        hole,
        pair.mask.name,
        method=settings.method,
        fallback=settings.fallback,
        strict=settings.strict,
        judged=settings.judge,
        **how,
    )
    notes |= {doubt: doubt.partition(" (")[0] for doubt in doubts}
    fills, told = inpainter.fill_variants(
        image,
        hole,
        settings.variants,
        settings.seed,
        settings.spread,
        pair.mask.name,
        method=method,
        blend=settings.blend,
        **how,
    )
    if settings.verbose:
        say(f"{pair.name}: {told}")
    return fills


def _save(path: Path, fills: Sequence[DecodedImage]) -> list[str]:
    """Write fills of one image, each under a name of its own; return what their format lost."""
    names = variant_names(path, len(fills))
    # The first one last: where it is there, all are.
    notes = [save(name, filled) for name, filled in zip(names[::-1], fills[::-1], strict=True)]
    return notes[-1]


def _read_ahead(
    jobs: list[Job], pool: ThreadPoolExecutor, settings: FillSettings, ahead: int
) -> Iterator[tuple[Job, Future[Loaded]]]:
    """Yield the jobs in their order, with the next ones being read meanwhile."""
    waiting: deque[tuple[Job, Future[Loaded]]] = deque()
    for job in jobs:
        waiting.append((job, pool.submit(_read, job.pair, settings)))
        if len(waiting) > ahead:
            yield waiting.popleft()
    yield from waiting


def _read(pair: Pair, settings: FillSettings) -> Loaded:
    image = load(pair.image)
    check_writable(pair.name.suffix, image.size)
    hole, remarks = read_mask(
        pair.mask, invert=settings.invert_mask, grey=settings.grey_mask, door=COMMAND
    )
    notes = {note: note.replace(pair.image.name, "an image") for note in image.notes}
    return image, hole, notes | {note: note.replace(pair.mask.name, "a mask") for note in remarks}


def _finish(writing: Iterable[Writing], log: FillLog) -> None:
    for one in writing:
        if not one[-1].cancelled():
            _written(*one, log)


def _written(job: Job, notes: dict[str, str], saving: Future[list[str]], log: FillLog) -> None:
    """Log an image when it has been written; a disk that refuses ends the batch."""
    try:
        lost = saving.result()
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - as where images are filled
        log.add_failed(job, error)
    else:
        log.add_filled(job, notes | {note: note for note in lost})


def _preview(pairs: list[Pair], output: Path, path: Path, settings: FillSettings) -> Filled:
    notes = write_preview(path, pairs, settings)
    mark_outputs(path.parent, [path.name])
    return Filled(output, preview=path, images=len(pairs), notes=notes)
