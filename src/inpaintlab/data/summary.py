"""`summary.html` of a prepared dataset: what was found, with examples, on one self-contained page."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from inpaintlab.data.findings import FINDINGS
from inpaintlab.data.manifest import DatasetFolder
from inpaintlab.data.places import Place, encoded
from inpaintlab.errors import ImageError
from inpaintlab.images import load_rgb_whole
from inpaintlab.reports import Block, Card, Cards, Code, Column, Heading, Page, Table, Text, thumbnail

#: Examples shown of a finding, groups of look-alikes shown, and members shown of one.
EXAMPLES, GROUPS, MEMBERS = 8, 10, 8


class Examples:
    """Collects what the page shows while the manifest is written; images of the test part never."""

    def __init__(self, groups: list[int]) -> None:
        self.groups: dict[int, list[dict[str, Any]]] = {group: [] for group in groups}
        self.group_sizes: Counter[int] = Counter()
        self.findings: dict[str, list[dict[str, Any]]] = {name: [] for name in FINDINGS}
        self.formats: Counter[str] = Counter()
        self.sizes: list[npt.NDArray[np.int32]] = []
        self.splits: Counter[tuple[int | None, str]] = Counter()

    def look(self, table: pa.Table) -> None:
        """Take note of some rows."""
        read = table.filter(pc.is_valid(table["width"]))
        self.formats.update(_text(value) for value in read["format"].to_pylist())
        self.sizes.append(pc.min_element_wise(read["width"], read["height"]).to_numpy())
        used = table.filter(table["use"])
        self.splits.update(zip(used["fold"].to_pylist(), used["split"].to_pylist(), strict=True))
        shown = pc.not_equal(pc.fill_null(table["split"], ""), "test")
        for row in table.filter(pc.and_(shown, _has_findings(table))).to_pylist():
            self._note(row)

    def _note(self, row: dict[str, Any]) -> None:
        for name in row["findings"]:
            if len(self.findings[name]) < EXAMPLES:
                self.findings[name].append(row)
        members = self.groups.get(row["group"])
        self.group_sizes[row["group"]] += members is not None
        if members is not None and len(members) < MEMBERS:
            members.append(row)

    def shorter_sides(self) -> tuple[int, int, int]:
        """Return least, median and largest shorter side in pixels."""
        sides = np.concatenate(self.sizes)
        return int(sides.min()), int(np.median(sides)), int(sides.max())


def _has_findings(table: pa.Table) -> pa.ChunkedArray:
    return pc.greater(pc.list_value_length(table["findings"]), 0)


def list_findings(table: pa.Table) -> bytes:
    """Return one JSON line for each row with a finding."""
    wanted = ["path", "key", "findings", "reason", "group", "split", "use"]
    rows = table.filter(_has_findings(table)).select(wanted).to_pylist()
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write_summary(dataset: DatasetFolder, facts: dict[str, Any], examples: Examples) -> None:
    """Write the page."""
    settings = facts["settings"]
    made = (", ".join(settings["sources"]), facts["made"], f"inpaintlab {facts['inpaintlab']}")
    headline = (
        f"{facts['used']} of {facts['images']} images can be used: {facts['train']} to train on, "
        f"{facts['val']} to validate with, {facts['test']} sealed for the test."
    )
    shortest, median, longest = examples.shorter_sides()
    formats = ", ".join(f"{name} {count}" for name, count in examples.formats.most_common())
    text = f"Shorter side: {shortest} to {longest} pixels, median {median}. {formats}."
    how = "".join(f"{key}: {'none' if of is None else of}\n" for key, of in settings.items())
    blocks: list[Block] = [
        *_findings(facts["findings"], examples),
        *_lookalikes(facts, examples),
        *_split(facts, examples),
        *(Heading("Images"), Text(text), Heading("How it was made"), Code(how)),
    ]
    subtitle = " · ".join([*made, f"#{facts['hash']}"])
    Page(dataset.folder.name, headline, blocks, subtitle).write(dataset.summary)


def _findings(counts: dict[str, int], examples: Examples) -> Iterator[Block]:
    yield Heading("Findings")
    if not counts:
        yield Text("None: every image can be read, and no two are alike.")
        return
    columns: list[str | Column] = ["finding", "images", Column("", text=True)]
    yield Table.of(columns, [[name, str(n), FINDINGS[name].text] for name, n in counts.items()])
    note = (
        "All of them, one JSON line each, are in findings.jsonl beside this page. Below are the first "
        "of each; images of the test part are counted, but not shown."
    )
    yield Text(note, quiet=True)
    for name in counts:
        if rows := examples.findings[name]:
            yield Heading(f"{name}: {FINDINGS[name].text}", 3)
            yield _cards(rows)


def _lookalikes(facts: dict[str, Any], examples: Examples) -> Iterator[Block]:
    yield Heading("Look-alikes")
    groups = facts["groups"]
    yield Text(
        f"{groups['of_look_alikes']} groups hold copies or images that look the same; the largest group "
        f"of all has {groups['largest']} images. A group lies in one part of the split and in one fold."
    )
    shown = {group: rows for group, rows in examples.groups.items() if len(rows) > 1}
    if shown:
        note = (
            f"Perceptual hashes of look-alikes are at most {facts['settings']['near_distance']} of 64 "
            "bits apart, and groups are chains of such pairs. Where all images have one layout, as "
            "aligned faces have, some of that is chance: it costs nothing but that those images stay "
            "together. A smaller near_distance is stricter."
        )
        yield Text(note, quiet=True)
    for group, rows in shown.items():
        yield Heading(f"a group of {examples.group_sizes[group]}", 3)
        yield _cards(rows)


def _split(facts: dict[str, Any], examples: Examples) -> Iterator[Block]:
    counts: Counter[int] = Counter()
    for (fold, _), count in examples.splits.items():
        if fold is not None:
            counts[fold] += count
    rows = [["train", facts["train"]], ["val", facts["val"]], ["test (sealed)", facts["test"]]]
    rows += [[f"fold {fold} of train and val", count] for fold, count in sorted(counts.items())]
    yield Heading("Split")
    yield Table.of(["part", "images"], [list(map(str, row)) for row in rows])
    if facts["strata"] > 1:
        yield Text(f"Each of {facts['strata']} folders gives its share to every part.")


def _cards(rows: list[dict[str, Any]]) -> Cards:
    """Return name, reason and thumbnail (none where it cannot be read) of each row."""
    return Cards(
        [
            Card(_thumbnail(row), row["key"] or Path(row["path"]).name, _reason(row), row["path"])
            for row in rows
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


def _text(value: str | None) -> str:
    return value or "unknown"
