"""What is written beside the manifest of a prepared dataset: all findings, and `summary.html`."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from inpaintlab.data.findings import FINDINGS
from inpaintlab.data.manifest import DatasetFolder, Prepared
from inpaintlab.data.places import Place, encoded
from inpaintlab.errors import ImageError
from inpaintlab.files import json_text, write_atomically
from inpaintlab.images import load_rgb_whole
from inpaintlab.reports import Block, Card, Cards, Code, Heading, Page, Table, Text, thumbnail

#: Examples shown of a finding, groups of look-alikes shown, and members shown of one.
EXAMPLES, GROUPS, MEMBERS = 8, 10, 8

_LISTED = ["path", "key", "findings", "reason", "group", "split", "use"]
_SHOWN = ["offset", "bytes", "width", "height", "trouble"]


def write_summary(dataset: DatasetFolder, facts: Prepared) -> None:
    """Write `findings.jsonl`, and the self-contained page with examples.

    Images of the test part are counted and listed, but never shown.
    """
    found = pq.read_table(
        dataset.manifest,
        columns=_LISTED + _SHOWN,
        filters=pc.list_value_length(pc.field("findings")) > 0,
    )
    rows = found.select(_LISTED).to_pylist()
    lines = (json_text(row, indent=None) + "\n" for row in rows)
    write_atomically(dataset.findings, "".join(lines).encode())
    shown = found.filter(pc.not_equal(pc.fill_null(found["split"], ""), "test"))
    everything = pq.read_table(
        dataset.manifest, columns=["width", "height", "format", "use", "split", "fold"]
    )
    blocks: list[Block] = [
        *_findings(facts, shown),
        *_lookalikes(facts, shown),
        *_split(facts, everything.filter(everything["use"])),
        *_images(everything.filter(pc.is_valid(everything["width"]))),
        *_settings(facts),
    ]
    made = (", ".join(facts.settings.sources), facts.made, f"inpaintlab {facts.inpaintlab}")
    subtitle = " · ".join([*made, f"#{facts.hash}"])
    Page(dataset.folder.name, facts.headline, blocks, subtitle).write(dataset.summary)


def _findings(facts: Prepared, shown: pa.Table) -> Iterator[Block]:
    yield Heading("Findings")
    if not facts.findings:
        yield Text("None: every image can be read, and no two are alike.")
        return
    yield facts.table()
    note = (
        "All of them, one JSON line each, are in findings.jsonl beside this page. Below are the first "
        "of each; images of the test part are counted, but not shown."
    )
    yield Text(note, quiet=True)
    names = shown["findings"].to_pylist()
    for name in facts.findings:
        places = [place for place, of in enumerate(names) if name in of][:EXAMPLES]
        if places:
            yield Heading(f"{name}: {FINDINGS[name].text}", 3)
            yield _cards(shown.take(places))


def _lookalikes(facts: Prepared, shown: pa.Table) -> Iterator[Block]:
    yield Heading("Look-alikes")
    yield Text(
        f"{facts.groups.of_look_alikes} groups hold copies or images that look the same; the largest "
        f"group of all has {facts.groups.largest} images. A group lies in one part of the split and in "
        "one fold."
    )
    near = np.array(["near" in of for of in shown["findings"].to_pylist()], bool)
    near &= pc.is_valid(shown["split"]).to_numpy()
    groups, sizes = np.unique(shown["group"].to_numpy()[near], return_counts=True)
    size_of = dict(zip(groups.tolist(), sizes.tolist(), strict=True))
    largest = sorted(size_of, key=lambda group: -size_of[group])[:2]
    chosen = [group for group in dict.fromkeys([*largest, *size_of]) if size_of[group] > 1][:GROUPS]
    if chosen:
        note = (
            f"Perceptual hashes of look-alikes are at most {facts.settings.near_distance} of 64 "
            "bits apart, and groups are chains of such pairs. Where all images have one layout, as "
            "aligned faces have, some of that is chance: it costs nothing but that those images stay "
            "together. A smaller near_distance is stricter."
        )
        yield Text(note, quiet=True)
    for group in chosen:
        members = shown.filter(pc.equal(shown["group"], group))
        yield Heading(f"a group of {len(members)}", 3)
        yield _cards(members.slice(0, MEMBERS))


def _split(facts: Prepared, used: pa.Table) -> Iterator[Block]:
    folds = Counter(fold for fold in used["fold"].to_pylist() if fold is not None)
    rows = [["train", facts.train], ["val", facts.val], ["test (sealed)", facts.test]]
    rows += [[f"fold {fold} of train and val", count] for fold, count in sorted(folds.items())]
    yield Heading("Split")
    yield Table.of(["part", "images"], [list(map(str, row)) for row in rows])
    if facts.strata > 1:
        yield Text(f"Each of {facts.strata} folders gives its share to every part.")


def _images(read: pa.Table) -> Iterator[Block]:
    sides = pc.min_element_wise(read["width"], read["height"]).to_numpy()
    counts = Counter(name or "unknown" for name in read["format"].to_pylist())
    formats = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    median = int(np.median(sides))
    yield Heading("Images")
    yield Text(f"Shorter side: {sides.min()} to {sides.max()} pixels, median {median}. {formats}.")


def _settings(facts: Prepared) -> Iterator[Block]:
    settings = facts.settings.model_dump(mode="json").items()
    yield Heading("How it was made")
    yield Code("".join(f"{key}: {'none' if of is None else of}\n" for key, of in settings))


def _cards(rows: pa.Table) -> Cards:
    """Return name, reason and thumbnail (none where it cannot be read) of each row."""
    return Cards(
        [
            Card(_thumbnail(row), row["key"] or Path(row["path"]).name, _reason(row), row["path"])
            for row in rows.to_pylist()
        ]
    )


def _reason(row: dict[str, Any]) -> str:
    """Say why, without the name, which stands beside it."""
    if not row["reason"]:
        return f"{row['width']}×{row['height']}"
    name = Path(row["path"]).name
    return str(row["reason"]).removeprefix(row["path"]).removeprefix(name).strip()


def _thumbnail(row: dict[str, Any]) -> str:
    if row["trouble"]:
        return ""
    try:
        place = Place(row["path"], row["offset"], row["key"], row["bytes"])
        return thumbnail(load_rgb_whole(encoded(place))[0])
    except ImageError:  # it was there a moment ago; the page can do without
        return ""
