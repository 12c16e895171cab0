"""`inpaint prepare`: read every image once, find what is wrong, group, split, seal."""

import shutil
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from inpaintlab.data.assignment import NONE, PARTS, TEST, TRAIN, VAL, Members, assign, torn
from inpaintlab.data.dataset_layouts import open_layout
from inpaintlab.data.duplicates import Fingerprints, Groups, link_near
from inpaintlab.data.examine import examine
from inpaintlab.data.findings import CAN_BE_KEPT, FINDINGS, NO_PIXELS, bits, findings_of, names_of
from inpaintlab.data.grouping import key_for
from inpaintlab.data.manifest import COLUMNS, DatasetFolder, read_batches, read_rows
from inpaintlab.data.places import finder
from inpaintlab.data.reading import read_all
from inpaintlab.data.summary import GROUPS, Examples, list_findings, write_summary
from inpaintlab.errors import DataError, SettingError, near_miss
from inpaintlab.reports import Answer, Column, Table
from inpaintlab.settings import PrepareSettings

#: Settings that must not change once parts are fixed: other groups would tear old ones apart.
_LASTING = ("group_by", "near_distance", "test_share", "train_share", "folds", "layout")
#: Published parts, by number: those of `PARTS`, and what is divided between train and val.
_PUBLISHED = (*PARTS, "pool")
_POOL = _PUBLISHED.index("pool")
#: Folders are taken for classes when they hold this many images in the median, or more.
_LEAST_CLASS = 10


def prepare(settings: PrepareSettings) -> dict[str, Any]:
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
    files, examined = read_all(finder(sources), dataset, examine)
    images = _load(files, settings, dataset, part_of)
    if images.has(*NO_PIXELS).all():
        reason = next(read_rows(files, ["reason"]))["reason"]
        raise DataError(f"none of {len(images)} images can be read, first {reason}")
    decisions = _decide(images, settings)
    examples = _write_manifest(files, images, decisions, dataset)
    facts = _facts(settings, images, decisions, examined)
    write_summary(dataset, facts, examples)
    # Last: a dataset without this file is not finished.
    dataset.write_facts(facts)
    shutil.rmtree(dataset.reading, ignore_errors=True)
    return facts


def answer(facts: dict[str, Any], folder: Path) -> Answer:
    """Return what a preparation found, and what to do next."""
    used = (
        f"{facts['used']} of {facts['images']} images can be used: {facts['train']} to train on, "
        f"{facts['val']} to validate with, {facts['test']} sealed for the test."
    )
    columns: list[str | Column] = ["finding", "images", Column("", text=True)]
    rows = [[name, str(n), FINDINGS[name].text] for name, n in facts["findings"].items()]
    table = Table.of(columns, rows) if rows else None
    places = {"summary": folder / "summary.html"}
    return Answer(used, table, places=places, command=f"inpaint train {folder}")


def _check(settings: PrepareSettings, dataset: DatasetFolder) -> None:
    """Raise for all that can be known to be wrong before anything is read."""
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
    before = dataset.read_facts()["settings"]
    now = settings.model_dump(mode="json")
    for name in _LASTING:
        if before[name] != now[name]:
            raise DataError(
                f"{dataset.folder} was made with {name} = {before[name]!r}, not {now[name]!r}: its "
                "parts would not hold; keep the setting, or make a new dataset with another -o"
            )


@dataclass
class _Images:
    """What deciding needs of each image, in arrays: less than 100 bytes an image."""

    sha: npt.NDArray[np.uint64]
    prints: Fingerprints
    folder: Int64
    folders: list[str]
    key: Int64
    published: Int64
    findings: Int64
    given: Int64
    given_fold: Int64

    def has(self, *names: str) -> Bool:
        """Return which images have one of these findings."""
        return np.asarray((self.findings & bits(names)) != 0)

    def add(self, name: str, where: Bool) -> None:
        """Add a finding to some images."""
        self.findings[where] |= bits([name])

    def __len__(self) -> int:
        return len(self.sha)


@dataclass
class _Decisions:
    """What was decided, in arrays; `group` and `part` are `NONE` for images that cannot be read."""

    group: Int64
    part: Int64
    fold: Int64
    use: Bool
    strata: list[str]


def _load(
    files: list[Path],
    settings: PrepareSettings,
    dataset: DatasetFolder,
    part_of: Callable[[str], str] | None,
) -> _Images:
    """Read the facts of all images into arrays."""
    hashes = [array("Q") for _ in range(3)]
    folder, key, published, findings = (array("q") for _ in range(4))
    folders, keys = _Numbers(), _Numbers()
    key_of = key_for(settings.group_by, settings.sources)
    for row in read_rows(files):
        texts = (row["sha256"] or row["file_sha256"], row["phash"], row["phash_mirror"])
        for column, text in zip(hashes, texts, strict=True):
            column.append(int((text or "0")[:16], 16))
        owner = key_of(row) if key_of else None
        folder.append(folders.number(row["folder"]))
        key.append(NONE if owner is None else keys.number(owner))
        published.append(_PUBLISHED.index(part_of(row["path"])) if part_of else NONE)
        findings.append(findings_of(row, settings.min_size, settings.max_aspect))
    sha, upright, mirrored = (np.array(column, np.uint64) for column in hashes)
    given, given_fold = _earlier(dataset, sha)
    return _Images(
        sha=sha,
        prints=Fingerprints(upright, mirrored),
        folder=np.array(folder, np.int64),
        folders=list(folders.names),
        key=np.array(key, np.int64),
        published=np.array(published, np.int64),
        findings=np.array(findings, np.int64),
        given=given,
        given_fold=given_fold,
    )


class _Numbers:
    """Numbers names in the order in which they come."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}

    def number(self, name: str) -> int:
        return self.names.setdefault(name, len(self.names))


def _earlier(dataset: DatasetFolder, sha: npt.NDArray[np.uint64]) -> tuple[Int64, Int64]:
    """Return part and fold that images with these pixels have from an earlier preparation."""
    part, fold = np.full(len(sha), NONE), np.full(len(sha), NONE)
    if not dataset.manifest.is_file():
        return part, fold
    old_sha, old_part, old_fold = array("Q"), array("b"), array("b")
    for row in read_rows([dataset.manifest], ["sha256", "split", "fold"]):
        if row["split"]:
            old_sha.append(int(row["sha256"][:16], 16))
            old_part.append(PARTS.index(row["split"]))
            old_fold.append(NONE if row["fold"] is None else row["fold"])
    if not old_sha:
        return part, fold
    values, first = np.unique(np.array(old_sha, np.uint64), return_index=True)
    place = np.searchsorted(values, sha).clip(max=len(values) - 1)
    there = values[place] == sha
    part[there] = np.array(old_part, np.int64)[first][place[there]]
    fold[there] = np.array(old_fold, np.int64)[first][place[there]]
    return part, fold


def _decide(images: _Images, settings: PrepareSettings) -> _Decisions:
    """Group the images, name copies and look-alikes, and give every group its part and fold."""
    decoded = ~images.has(*NO_PIXELS)
    if images.has("grey")[decoded].mean() > 0.5:  # grey is what this dataset is
        images.findings &= ~bits(["grey"])
    left_out = {name for name, finding in FINDINGS.items() if finding.left_out} - set(settings.keep)
    left_out |= set(settings.leave_out)
    group = _group(images, decoded, settings.near_distance)
    use = decoded & ~images.has(*(left_out - {"copy", "near"}))
    images.add("copy", _copies(images, decoded, use))
    use &= ~images.has(*left_out)
    stratum, strata = _strata(images, use, settings)
    given = np.where(images.given == NONE, images.published, images.given)
    members = Members(group, stratum, images.sha, use, given, images.given_fold)
    members, out = _mended(members, images, decoded)
    use &= ~out
    part, fold = (np.full(len(images), NONE) for _ in range(2))
    inside = decoded & ~out
    test_share = 0.0 if settings.layout else settings.test_share
    part[inside], fold[inside] = assign(
        _taken(members, inside), strata, test_share, settings.train_share, settings.folds
    )
    return _Decisions(members.group, part, fold, use, strata)


def _group(images: _Images, decoded: Bool, distance: int) -> Int64:
    """Return the group of each image; those that cannot be read stand alone."""
    groups = Groups(len(images))
    _link_equal(groups, images.sha, decoded)
    # An image of one colour has a perceptual hash of its noise: it looks like nothing.
    members = np.flatnonzero(decoded & ~images.has("constant"))
    link_near(groups, members, images.prints.take(members), distance)
    looks = groups.finish()
    lowest, highest = np.full(len(looks), np.iinfo(np.uint64).max), np.zeros(len(looks), np.uint64)
    np.minimum.at(lowest, looks[decoded], images.sha[decoded])
    np.maximum.at(highest, looks[decoded], images.sha[decoded])
    images.add("near", decoded & (lowest < highest)[looks])
    _link_equal(groups, images.key, decoded & (images.key != NONE))
    return groups.finish()


def _link_equal(groups: Groups, values: npt.NDArray[Any], chosen: Bool) -> None:
    members = np.flatnonzero(chosen)
    _, first, inverse = np.unique(values[members], return_index=True, return_inverse=True)
    groups.link(members, members[first[inverse]])


def _copies(images: _Images, decoded: Bool, use: Bool) -> Bool:
    """Return which images have the pixels of another that is preferred.

    Preferred is one that can be used, then one that was there before, then the first.
    """
    order = np.lexsort((np.arange(len(images)), images.given == NONE, ~use, images.sha))
    order = order[decoded[order]]
    copies = np.zeros(len(images), bool)
    copies[order[1:]] = images.sha[order[1:]] == images.sha[order[:-1]]
    return copies


def _strata(images: _Images, use: Bool, settings: PrepareSettings) -> tuple[Int64, list[str]]:
    """Return the stratum of each image and the names: the folders where these look like classes."""
    counts = np.bincount(images.folder[use], minlength=len(images.folders))
    counts = counts[counts > 0]
    classes = len(counts) > 1 and np.median(counts) >= _LEAST_CLASS and settings.group_by != "folder"
    if classes if settings.stratify is None else settings.stratify:
        return images.folder, images.folders
    return np.zeros(len(images), np.int64), [""]


def _mended(members: Members, images: _Images, decoded: Bool) -> tuple[Members, Bool]:
    """Exclude what ties together groups whose parts are fixed already; what is left is whole.

    Of a published split the test part is kept, then val; what looks the same elsewhere is a leak. Of
    parts fixed by us, what came later is excluded. Returns who is excluded, too.
    """
    # An image of the pool goes with train and with val, but not with the test.
    given = np.where(members.given == _POOL, NONE, members.given)
    in_test = np.where(members.given == NONE, NONE, members.given == TEST)
    tied = decoded & (torn(replace(members, given=given)) | torn(replace(members, given=in_test)))
    rank = np.array([0, 2, 1, 2, 3])[members.given]  # test, train, val, pool, and none at the end
    best = np.full(len(members.group), 3)
    np.minimum.at(best, members.group[tied], rank[tied])
    movable = tied & (images.given == NONE)
    leak = movable & (images.published != NONE) & (rank > best[members.group])
    between = movable & (images.published == NONE)
    images.add("leak", leak)
    images.add("between", between)
    out = leak | between
    # Old members of a torn group are as many groups as they have parts; who is excluded stands alone.
    parts = np.stack(
        [
            members.group,
            np.where(tied, members.given, NONE),
            np.where(tied, members.given_fold, NONE),
            np.where(out, np.arange(len(out)), NONE),
        ]
    )
    group = np.unique(parts, axis=1, return_inverse=True)[1] if tied.any() else members.group
    return replace(members, group=group, given=given), out


def _taken(members: Members, chosen: Bool) -> Members:
    """Return some members, their groups numbered without gaps."""
    arrays = {name: values[chosen] for name, values in vars(members).items()}
    _, arrays["group"] = np.unique(arrays["group"], return_inverse=True)
    return Members(**arrays)


def _write_manifest(
    files: list[Path], images: _Images, decisions: _Decisions, dataset: DatasetFolder
) -> Examples:
    """Write all rows with what was decided; return examples of each finding for the summary."""
    temporary = dataset.reading / "manifest.parquet"
    findings = dataset.reading / "findings.jsonl"
    examples = Examples(_groups_to_show(images, decisions))
    start = 0
    with pq.ParquetWriter(temporary, COLUMNS) as writer, findings.open("wb") as listing:
        for batch in read_batches(files):
            stop = start + len(batch)
            decided = _decision_columns(images, decisions, slice(start, stop))
            table = pa.Table.from_batches([batch])
            for name, column in decided.items():
                table = table.append_column(
                    COLUMNS.field(name), pa.array(column, COLUMNS.field(name).type)
                )
            writer.write_table(table)
            listing.write(list_findings(table))
            examples.look(table)
            start = stop
    findings.replace(dataset.findings)
    temporary.replace(dataset.manifest)
    return examples


def _groups_to_show(images: _Images, decisions: _Decisions) -> list[int]:
    """Return the largest groups of look-alikes and some of the others, none of the test part."""
    looks = images.has("near") & np.isin(decisions.part, (TRAIN, VAL))
    groups, sizes = np.unique(decisions.group[looks], return_counts=True)
    by_size = groups[np.argsort(-sizes, kind="stable")]
    return list(dict.fromkeys([*by_size[:2].tolist(), *groups.tolist()]))[:GROUPS]


def _decision_columns(images: _Images, decisions: _Decisions, rows: slice) -> dict[str, list[Any]]:
    part, fold = decisions.part[rows].tolist(), decisions.fold[rows].tolist()
    return {
        "findings": [names_of(packed) for packed in images.findings[rows].tolist()],
        "use": decisions.use[rows].tolist(),
        "group": decisions.group[rows].tolist(),
        "split": [None if one == NONE else PARTS[one] for one in part],
        "fold": [None if one == NONE else one for one in fold],
    }


def _facts(
    settings: PrepareSettings,
    images: _Images,
    decisions: _Decisions,
    examined: int,
) -> dict[str, Any]:
    """Return what `dataset.json` says."""
    use, group = decisions.use, decisions.group
    sizes = np.bincount(group[decisions.part != NONE])
    looks = images.has("near", "copy")
    counts = {part: int((use & (decisions.part == n)).sum()) for n, part in enumerate(PARTS)}
    return {
        "inpaintlab": version("inpaintlab"),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": settings.model_dump(mode="json"),
        "images": len(images),
        "read_now": examined,
        "used": int(use.sum()),
        **{part: counts[part] for part in ("train", "val", "test")},
        "findings": {name: count for name in FINDINGS if (count := int(images.has(name).sum()))},
        "groups": {
            "count": int((sizes > 0).sum()),
            "of_look_alikes": len(np.unique(group[looks])),
            "largest": int(sizes.max(initial=0)),
        },
        "strata": len(decisions.strata),
        "hash": _hash(images, decisions, (0, 1, 2)),
        "test_hash": _hash(images, decisions, (TEST,)),
    }


def _hash(images: _Images, decisions: _Decisions, which: tuple[int, ...]) -> str:
    """SHA-256 over pixels and part of the images of some parts, 16 hexadecimal digits."""
    chosen = decisions.use & np.isin(decisions.part, which)
    order = np.argsort(images.sha[chosen])
    digest = sha256(images.sha[chosen][order].astype("<u8").tobytes())
    digest.update(decisions.part[chosen][order].astype("u1").tobytes())
    return digest.hexdigest()[:16]
