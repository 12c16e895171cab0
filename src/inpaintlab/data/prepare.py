"""`inpaint prepare`: read every image once, find what is wrong, group, split, seal."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from inpaintlab.arrays import Bool, Int64
from inpaintlab.data.assignment import MEMBER, NONE, PARTS, TEST, TRAIN, VAL, assign, torn
from inpaintlab.data.dataset_layouts import open_layout
from inpaintlab.data.duplicates import Groups, link_near
from inpaintlab.data.findings import (
    CAN_BE_KEPT,
    FINDINGS,
    NO_PIXELS,
    bits,
    examine,
    findings_of,
    names_of,
)
from inpaintlab.data.grouping import check_keys, key_for
from inpaintlab.data.manifest import (
    COLUMNS,
    DECISIONS,
    DatasetFolder,
    GroupCounts,
    Prepared,
    hash_numbers,
    read_batches,
    read_rows,
)
from inpaintlab.data.places import HUB, finder
from inpaintlab.data.reading import Row, read_all
from inpaintlab.data.summary import write_summary
from inpaintlab.errors import DataError, SettingError, near_miss
from inpaintlab.files import mark_outputs, whole
from inpaintlab.settings import PrepareSettings

#: Settings that must not change once parts are fixed: other groups would tear old ones apart.
_LASTING = ("group_by", "near_distance", "test_share", "train_share", "folds", "layout")
#: Published parts, by number: those of `PARTS`, and what is divided between train and val.
_PUBLISHED = (*PARTS, "pool")
_POOL = _PUBLISHED.index("pool")
#: Folders are taken for classes when they hold this many images in the median, or more.
_LEAST_CLASS = 10
#: What deciding needs of each image: less than 100 bytes. `given` and `given_fold` are those of an
#: earlier preparation.
_IMAGE = np.dtype(
    [
        *((name, MEMBER[name]) for name in MEMBER.names or ()),
        *((name, "i8") for name in ("key", "published", "findings", "given", "given_fold")),
        ("prints", "u8", (2,)),
    ]
)
_Images = npt.NDArray[Any]


def prepare(settings: PrepareSettings) -> Prepared:
    """Make or bring up to date a prepared dataset; return its counts and findings.

    Interrupted, it goes on where it stopped; run again, it reads what is new or changed, and every
    image keeps its part and fold. Raises `DataError` for sources that cannot be used, and for
    settings that would tear old groups apart.
    """
    if settings.output is None:
        raise SettingError("say where the dataset goes: -o NAME.dataset")
    if not settings.sources and not settings.layout:
        raise SettingError("say what to prepare: inpaint prepare FOLDER -o NAME.dataset")
    dataset = DatasetFolder(settings.output)
    _check(settings, dataset)
    sources, part_of = settings.sources, None
    if settings.layout:
        sources, part_of = open_layout(settings.layout, settings.sources)
    found = finder(sources)
    mark_outputs(dataset.folder)
    files, examined = read_all(found, dataset, examine)
    images, folders = _load(files, settings, dataset, part_of)
    if _has(images, *NO_PIXELS).all():
        reason = next(read_rows(files, ["reason"]))["reason"]
        raise DataError(f"none of {len(images)} images can be read, first {reason}")
    strata = _decide(images, folders, settings)
    _write_manifest(files, images, dataset)
    facts = _facts(settings, images, strata, examined)
    write_summary(dataset, facts)
    # Last: a dataset without this file is not finished.
    dataset.write_facts(facts)
    shutil.rmtree(dataset.reading, ignore_errors=True)
    return facts


def _check(settings: PrepareSettings, dataset: DatasetFolder) -> None:
    """Raise for all that can be known to be wrong before anything is read."""
    if settings.group_by:
        key_for(settings.group_by, settings.sources)
    for name in settings.keep:
        if name not in CAN_BE_KEPT:
            raise SettingError(f"keep: {name!r} cannot be kept{near_miss(name, CAN_BE_KEPT)}")
    for name in settings.leave_out:
        if name not in FINDINGS:
            raise SettingError(f"leave_out: unknown finding {name!r}{near_miss(name, FINDINGS)}")
    if dataset.folder.exists() and not dataset.folder.is_dir():
        raise DataError(f"{dataset.folder} is a file: name another folder with -o")
    if not dataset.facts.is_file():
        return
    for name in _LASTING:
        before, now = (getattr(of, name) for of in (dataset.read_facts().settings, settings))
        if before != now:
            raise DataError(
                f"{dataset.folder} was made with {name} = {before!r}, not {now!r}: its "
                "parts would not hold; keep the setting, or make a new dataset with another -o"
            )


def _load(
    files: list[Path],
    settings: PrepareSettings,
    dataset: DatasetFolder,
    part_of: Callable[[str], str] | None,
) -> tuple[_Images, list[str]]:
    """Return the facts of all images, and the names of their folders, which `stratum` numbers."""
    folders, keys = _Numbers(), _Numbers()
    key_of = key_for(settings.group_by, settings.sources) if settings.group_by else None

    def record(row: Row) -> tuple[Any, ...]:
        pixels = row["sha256"] or row["file_sha256"]
        sha, *prints = hash_numbers((pixels, row["phash"], row["phash_mirror"]))
        owner = key_of(row) if key_of else None
        key = NONE if owner is None else keys[owner]
        published = _PUBLISHED.index(part_of(row["path"])) if part_of else NONE
        findings = findings_of(row, settings.min_size, settings.max_aspect)
        member = (sha, NONE, folders[row["folder"]], False, NONE, NONE)
        return (*member, key, published, findings, NONE, NONE, prints)

    images = np.fromiter(map(record, read_rows(files)), _IMAGE)
    if settings.group_by:
        first = next(read_rows(files, ["path", "key"]))
        keyed = int((images["key"] != NONE).sum())
        check_keys(settings.group_by, keyed, len(images), Path(first["key"] or first["path"]).name)
    _recall(images, dataset)
    return images, list(folders)


class _Numbers(dict[str, int]):
    """Numbers names in the order in which they come."""

    def __missing__(self, name: str) -> int:
        self[name] = len(self)
        return self[name]


def _recall(images: _Images, dataset: DatasetFolder) -> None:
    """Note which part and fold images with these pixels have from an earlier preparation."""
    if not dataset.manifest.is_file():
        return

    def rows() -> Iterator[tuple[Any, ...]]:
        for row in read_rows([dataset.manifest], ["sha256", "split", "fold"]):
            if row["split"]:
                fold = NONE if row["fold"] is None else row["fold"]
                yield int(row["sha256"][:16], 16), PARTS.index(row["split"]), fold

    old = np.fromiter(rows(), np.dtype([("sha", "u8"), ("part", "i8"), ("fold", "i8")]))
    values, first = np.unique(old["sha"], return_index=True)
    there = np.isin(images["sha"], values)
    before = old[first[np.searchsorted(values, images["sha"][there])]]
    images["given"][there], images["given_fold"][there] = before["part"], before["fold"]


def _has(images: _Images, *names: str) -> Bool:
    """Return which images have one of these findings."""
    return np.asarray((images["findings"] & bits(names)) != 0)


def _add(images: _Images, name: str, where: Bool) -> None:
    images["findings"][where] |= bits([name])


def _decide(images: _Images, folders: list[str], settings: PrepareSettings) -> list[str]:
    """Group the images, name copies and look-alikes, and give every group its part and fold.

    Returns the names of the strata. `part` is `NONE` for images that cannot be read.
    """
    decoded = ~_has(images, *NO_PIXELS)
    if _has(images, "grey")[decoded].mean() > 0.5:  # grey is what this dataset is
        images["findings"] &= ~bits(["grey"])
    left_out = {name for name, finding in FINDINGS.items() if finding.left_out} - set(settings.keep)
    left_out |= set(settings.leave_out)
    images["group"] = _group(images, decoded, settings.near_distance)
    use = decoded & ~_has(images, *(left_out - {"copy", "near"}))
    _add(images, "copy", _copies(images, decoded, use))
    use &= ~_has(images, *left_out)
    strata = _strata(images, folders, use, settings)
    images["part"] = np.where(images["given"] == NONE, images["published"], images["given"])
    images["fold"] = images["given_fold"]
    inside = decoded & ~_exclude_ties(images, decoded)
    images["use"] = use & inside
    members = images[inside]
    images["part"] = images["fold"] = NONE
    test_share = 0.0 if settings.layout else settings.test_share
    images["part"][inside], images["fold"][inside] = assign(
        members, strata, test_share, settings.train_share, settings.folds
    )
    return strata


def _group(images: _Images, decoded: Bool, distance: int) -> Int64:
    """Return the group of each image; those that cannot be read stand alone."""
    groups, sha = Groups(len(images)), images["sha"]
    _link_equal(groups, sha, decoded)
    # An image of one colour has a perceptual hash of its noise: it looks like nothing.
    members = np.flatnonzero(decoded & ~_has(images, "constant"))
    link_near(groups, members, images["prints"][members], distance)
    looks = groups.finish()
    lowest, highest = np.full(len(looks), np.iinfo(np.uint64).max), np.zeros(len(looks), np.uint64)
    np.minimum.at(lowest, looks[decoded], sha[decoded])
    np.maximum.at(highest, looks[decoded], sha[decoded])
    _add(images, "near", decoded & (lowest < highest)[looks])
    _link_equal(groups, images["key"], decoded & (images["key"] != NONE))
    return groups.finish()


def _link_equal(groups: Groups, values: npt.NDArray[Any], chosen: Bool) -> None:
    members = np.flatnonzero(chosen)
    _, first, inverse = np.unique(values[members], return_index=True, return_inverse=True)
    groups.link(members, members[first[inverse]])


def _copies(images: _Images, decoded: Bool, use: Bool) -> Bool:
    """Return which images have the pixels of another that is preferred.

    Preferred is one that can be used, then one that was there before, then the first.
    """
    order = np.lexsort((np.arange(len(images)), images["given"] == NONE, ~use, images["sha"]))
    order = order[decoded[order]]
    copies = np.zeros(len(images), bool)
    copies[order[1:]] = images["sha"][order[1:]] == images["sha"][order[:-1]]
    return copies


def _strata(images: _Images, folders: list[str], use: Bool, settings: PrepareSettings) -> list[str]:
    """Return the names of the strata: the folders where these look like classes, or a single one."""
    counts = np.bincount(images["stratum"][use], minlength=len(folders))
    counts = counts[counts > 0]
    classes = len(counts) > 1 and np.median(counts) >= _LEAST_CLASS and settings.group_by != "folder"
    if classes if settings.stratify is None else settings.stratify:
        return folders
    images["stratum"] = 0
    return [""]


def _exclude_ties(images: _Images, decoded: Bool) -> Bool:
    """Exclude what ties together groups whose parts are fixed already; what is left is whole.

    Of a published split the test part is kept, then val; what looks the same elsewhere is a leak. Of
    parts fixed by us, what came later is excluded. Returns who is excluded.
    """
    group, part, fold = (images[name].copy() for name in ("group", "part", "fold"))
    # An image of the pool goes with train and with val, but not with the test.
    images["part"][part == _POOL] = NONE
    in_test = np.where(part == NONE, NONE, part == TEST)
    tied = decoded & torn(group, images["part"], in_test, fold)
    rank = np.array([0, 2, 1, 2, 3])[part]  # test, train, val, pool, and none at the end
    best = np.full(len(group), 3)
    np.minimum.at(best, group[tied], rank[tied])
    movable = tied & (images["given"] == NONE)
    published = images["published"] != NONE
    leak, between = movable & published & (rank > best[group]), movable & ~published
    _add(images, "leak", leak)
    _add(images, "between", between)
    out = np.asarray(leak | between)
    if tied.any():
        # Old members of a torn group are as many groups as they have parts; who is excluded is alone.
        alone = np.where(out, np.arange(len(out)), NONE)
        parts = [group, *(np.where(tied, values, NONE) for values in (part, fold)), alone]
        images["group"] = np.unique(np.stack(parts), axis=1, return_inverse=True)[1]
    return out


def _write_manifest(files: list[Path], images: _Images, dataset: DatasetFolder) -> None:
    """Write all rows with what was decided."""
    start = 0
    with whole(dataset.manifest) as temporary, pq.ParquetWriter(temporary, COLUMNS) as writer:
        for batch in read_batches(files):
            some = images[start : start + len(batch)]
            decided = {
                "findings": [names_of(packed) for packed in some["findings"].tolist()],
                "use": some["use"].tolist(),
                "group": some["group"].tolist(),
                "split": [None if one == NONE else PARTS[one] for one in some["part"].tolist()],
                "fold": [None if one == NONE else one for one in some["fold"].tolist()],
            }
            new = [pa.array(decided[field.name], field.type) for field in DECISIONS]
            writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *new], schema=COLUMNS))
            start += len(batch)


def _facts(settings: PrepareSettings, images: _Images, strata: list[str], examined: int) -> Prepared:
    used = images[images["use"]]
    sizes = np.bincount(images["group"][images["part"] != NONE])
    # Whoever uses the dataset may stand in another folder.
    sources = [
        one if one.startswith(HUB) else str(Path(one).expanduser().resolve()) for one in settings.sources
    ]
    looks = _has(images, "near", "copy")
    test, train, val = (int((used["part"] == part).sum()) for part in (TEST, TRAIN, VAL))
    return Prepared(
        inpaintlab=version("inpaintlab"),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=settings.model_copy(update={"sources": sources}),
        images=len(images),
        read_now=examined,
        used=len(used),
        train=train,
        val=val,
        test=test,
        findings={name: count for name in FINDINGS if (count := int(_has(images, name).sum()))},
        groups=GroupCounts(
            count=int((sizes > 0).sum()),
            of_look_alikes=len(np.unique(images["group"][looks])),
            largest=int(sizes.max(initial=0)),
        ),
        strata=len(strata),
        hash=_hash(used),
        test_hash=_hash(used[used["part"] == TEST]),
    )


def _hash(images: _Images) -> str:
    """SHA-256 over pixels and parts, 16 hexadecimal digits."""
    images = images[np.argsort(images["sha"])]
    digest = sha256(images["sha"].astype("<u8").tobytes())
    digest.update(images["part"].astype("u1").tobytes())
    return digest.hexdigest()[:16]
