"""`summary.html` of a prepared dataset: what was found, with examples, on one self-contained page."""

import base64
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from inpaintlab.data.findings import FINDINGS
from inpaintlab.data.manifest import DatasetFolder
from inpaintlab.data.places import Place, encoded
from inpaintlab.errors import ImageError
from inpaintlab.files import write_atomically
from inpaintlab.images import load_rgb_whole

#: Examples shown of a finding, groups of look-alikes shown, and members shown of one.
EXAMPLES, GROUPS, MEMBERS = 8, 10, 8
_THUMBNAIL = 96


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
    environment = Environment(
        loader=PackageLoader("inpaintlab", "data"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("summary.html.jinja").render(
        name=dataset.folder.name,
        facts=facts,
        findings=[
            (name, FINDINGS[name].text, facts["findings"][name], _shown(examples.findings[name]))
            for name in facts["findings"]
        ],
        groups=[
            (examples.group_sizes[group], _shown(rows))
            for group, rows in examples.groups.items()
            if len(rows) > 1
        ],
        formats=examples.formats.most_common(),
        shorter_sides=examples.shorter_sides(),
        folds=_fold_table(examples),
    )
    write_atomically(dataset.summary, page.encode("utf-8", "backslashreplace"))


def _fold_table(examples: Examples) -> list[tuple[int, int]]:
    counts: Counter[int] = Counter()
    for (fold, _), count in examples.splits.items():
        if fold is not None:
            counts[fold] += count
    return sorted(counts.items())


def _shown(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return name, reason and thumbnail (none where it cannot be read) of each row."""
    return [
        {
            "name": row["key"] or Path(row["path"]).name,
            "path": row["path"],
            "reason": _reason(row),
            "thumbnail": _thumbnail(row),
        }
        for row in rows
    ]


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
        pixels, _ = load_rgb_whole(encoded(place))
    except ImageError:  # it was there a moment ago; the page can do without
        return ""
    scale = _THUMBNAIL / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    buffer = io.BytesIO()
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    Image.fromarray(small).save(buffer, format="JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode()


def _text(value: str | None) -> str:
    return value or "unknown"
