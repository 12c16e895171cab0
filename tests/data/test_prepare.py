import json
import shutil
import tarfile
from pathlib import Path

import imagehash
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

import inpaintlab.data.prepare as preparation
from inpaintlab.data import reading, samples
from inpaintlab.data.findings import FINDINGS, LEAST_CONTRAST
from inpaintlab.data.folders import PreparedDataset, ShardedDataset
from inpaintlab.data.manifest import COLUMNS, DatasetFolder
from inpaintlab.data.prepare import prepare
from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import DataError, SettingError
from inpaintlab.settings import PrepareSettings
from tests.data import hostile


def prepared(sources, output="x.dataset", **changes):
    settings = PrepareSettings(sources=[str(source) for source in sources], output=output, **changes)
    return prepare(settings)


def rows(dataset="x.dataset"):
    table = pq.read_table(Path(dataset) / "manifest.parquet")
    return {Path(row["path"]).name + row["key"]: row for row in table.to_pylist()}


def save(path: Path, index: int, size: int = 48, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples.draw(index, size)).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    for index in range(40):
        save(tmp_path / "images" / f"{index:03}.png", index)
    return tmp_path / "images"


def test_columns_and_counts(folder):
    facts = prepared([folder])
    table = pq.read_table("x.dataset/manifest.parquet")
    assert table.schema.equals(COLUMNS)
    assert facts.images == facts.used == len(table) == 40
    assert facts.train + facts.val + facts.test == 40
    assert (facts.test, facts.train) == (4, 29)
    row = rows()["007.png"]
    assert (row["width"], row["height"], row["mode"], row["format"]) == (48, 48, "RGB", "PNG")
    image = Image.fromarray(samples.draw(7, 48)).convert("L")
    assert row["phash"] == str(imagehash.phash(image))
    assert row["phash_mirror"] == str(imagehash.phash(ImageOps.mirror(image)))
    assert row["contrast"] > LEAST_CONTRAST
    assert "<html" in Path("x.dataset/summary.html").read_text()
    assert not Path("x.dataset/reading").exists()


def test_images_stay_as_they_are(folder):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    prepared([folder])
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


def test_copies_in_other_formats_and_look_alikes_share_a_side(folder):
    for index in range(0, 40, 2):
        save(folder / f"{index:03}.bmp", index)
        save(folder / f"{index:03}-jpeg.jpg", index, quality=80)
        ImageOps.mirror(Image.open(folder / f"{index:03}.png")).save(folder / f"{index:03}-mirror.png")
    facts = prepared([folder])
    found = rows()
    assert facts.findings["copy"] == 20
    for index in range(0, 40, 2):
        family = [found[f"{index:03}{end}"] for end in (".png", ".bmp", "-jpeg.jpg", "-mirror.png")]
        assert len({(row["group"], row["split"], row["fold"]) for row in family}) == 1
        assert family[0]["sha256"] == family[1]["sha256"] != family[2]["sha256"]
        # The first by name is used.
        assert [row["use"] for row in family] == [False, True, True, True]
        assert "near" in family[2]["findings"]


def test_sides_hold_when_images_are_added_changed_and_removed(folder):
    prepared([folder])
    before = rows()
    for index in range(40, 90):
        save(folder / f"{index:03}.png", index)
    save(folder / "aaa-copy.png", 7)  # comes first, but was not there first
    (folder / "003.png").unlink()
    save(folder / "004.png", 200)
    facts = prepared([folder])
    after = rows()
    assert facts.read_now == 52
    assert "003.png" not in after
    assert after["007.png"]["use"]
    assert not after["aaa-copy.png"]["use"]
    for name, row in before.items():
        if name not in ("003.png", "004.png"):
            assert (after[name]["split"], after[name]["fold"]) == (row["split"], row["fold"])


def test_an_image_that_ties_fixed_parts_together_is_left_out(folder, monkeypatch):
    prepared([folder])
    sides = {name: row["split"] for name, row in rows().items()}
    test = next(name for name, side in sides.items() if side == "test")
    train = next(name for name, side in sides.items() if side == "train")
    save(folder / "tie.png", 99)
    real = preparation.examine

    def between(place):
        """The newcomer looks like one image of the test upright, like one of training mirrored."""
        row = real(place)
        found = {name: (of["phash"], of["phash_mirror"]) for name, of in before.items()}
        row["phash"], row["phash_mirror"] = found[test][0], found[train][0]
        return row

    before = rows()
    monkeypatch.setattr(preparation, "examine", between)
    facts = prepared([folder])
    after = rows()
    assert facts.findings["between"] == 1
    assert after["tie.png"]["split"] is None
    assert not after["tie.png"]["use"]
    assert {name: after[name]["split"] for name in sides} == sides
    assert after[test]["group"] != after[train]["group"]


def test_nothing_is_read_twice_and_nothing_changes(folder):
    first = prepared([folder])
    manifest = Path("x.dataset/manifest.parquet").read_bytes()
    again = prepared([folder])
    assert (first.read_now, again.read_now) == (40, 0)
    assert Path("x.dataset/manifest.parquet").read_bytes() == manifest
    assert first.hash == again.hash
    fresh = prepared([folder], "y.dataset")
    assert fresh.hash == first.hash


def test_interrupted_it_goes_on_where_it_stopped(folder, monkeypatch):
    real, asked = preparation.examine, []

    def stopping(place):
        if len(asked) == 25:
            raise KeyboardInterrupt
        asked.append(place.path)
        return real(place)

    monkeypatch.setattr(preparation, "examine", stopping)
    monkeypatch.setattr(reading, "processors", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        prepared([folder])
    with pytest.raises(DataError, match="not finished"):
        open_dataset("x.dataset")
    monkeypatch.setattr(preparation, "examine", real)
    facts = prepared([folder])
    assert facts.read_now == 40 - 16  # blocks of 16 are kept whole
    assert len(rows()) == 40
    prepared([folder], "y.dataset")
    assert DatasetFolder(Path("y.dataset")).read_facts().hash == facts.hash


def test_groups_by_folder_name_and_column(tmp_path):
    folder = tmp_path / "people"
    for index in range(60):
        save(folder / f"house-{index % 6}" / f"p{index % 10}_{index:02}.png", index)
    lines = [f"house-{i % 6}/p{i % 10}_{i:02}.png,year-{i % 7}" for i in range(60)]
    (folder / "metadata.csv").write_text("file_name,year\n" + "\n".join(lines))
    for group_by, key in (
        ("folder", lambda i: i % 6),
        (r"name:^(p\d)_", lambda i: i % 10),
        ("column:year", lambda i: i % 7),
    ):
        dataset = f"{group_by.partition(':')[0]}.dataset"
        prepared([folder], dataset, group_by=group_by, near_distance=0)
        sides: dict = {}
        for name, row in rows(dataset).items():
            sides.setdefault(key(int(name[3:5])), set()).add((row["split"], row["fold"]))
        assert all(len(of) == 1 for of in sides.values())
        assert len({side for of in sides.values() for side in of}) > 1


def test_folders_that_look_like_classes_give_their_share_each(tmp_path):
    for index in range(120):
        save(tmp_path / "classes" / f"class-{index % 3}" / f"{index}.png", index, 32)
    facts = prepared([tmp_path / "classes"])
    assert facts.strata == 3
    for kind in range(3):
        sides = [row["split"] for row in rows().values() if row["folder"] == f"class-{kind}"]
        assert 3 <= sides.count("test") <= 5
        assert 28 <= sides.count("train") <= 31


def test_hostile_files_are_all_accounted_for(tmp_path):
    hostile.write(tmp_path / "hostile")
    for index in range(20):
        save(tmp_path / "hostile" / f"zgood{index}.png", index)
    facts = prepared([tmp_path / "hostile"])
    expected: dict[str, int] = {}
    for count, finding in hostile.KINDS.values():
        if finding:
            expected[finding] = expected.get(finding, 0) + count
    findings = dict(facts.findings)
    cut = findings.pop("damaged") + findings.pop("unreadable")
    # A JPEG cut within its header cannot be told from no image.
    assert cut == expected.pop("damaged") + expected.pop("unreadable")
    assert {name: findings[name] for name in expected} == expected
    assert facts.images == sum(count for count, _ in hostile.KINDS.values()) + 20 >= 200
    listed = [json.loads(line) for line in Path("x.dataset/findings.jsonl").read_text().splitlines()]
    assert len({(line["path"], line["key"]) for line in listed}) == len(listed)
    assert all(line["reason"] for line in listed if set(line["findings"]) & {"damaged", "bomb"})
    assert "<b>&'" not in Path("x.dataset/summary.html").read_text()
    assert len(open_dataset("x.dataset").names) == facts.train + facts.val


def test_findings_can_be_kept_and_left_out(tmp_path):
    for index in range(30):
        save(tmp_path / "p" / f"{index}.png", index, 20 if index < 3 else 40)
        if index < 6:
            Image.open(tmp_path / "p" / f"{index}.png").convert("L").save(
                tmp_path / "p" / f"g{index}.png"
            )
    assert prepared([tmp_path / "p"]).used == 36 - 3 - 3
    assert prepared([tmp_path / "p"], "b.dataset", keep=["small"]).used == 36
    assert prepared([tmp_path / "p"], "c.dataset", leave_out=["grey"]).used == 27
    with pytest.raises(SettingError, match="did you mean 'small'"):
        prepared([tmp_path / "p"], "d.dataset", keep=["smal"])
    with pytest.raises(SettingError, match="'damaged' cannot be kept"):
        prepared([tmp_path / "p"], "d.dataset", keep=["damaged"])
    with pytest.raises(SettingError, match="unknown finding"):
        prepared([tmp_path / "p"], "d.dataset", leave_out=["nothing"])
    assert not Path("d.dataset").exists()


def test_settings_that_would_tear_groups_are_refused(folder):
    prepared([folder])
    with pytest.raises(DataError, match=r"made with group_by = None, not 'folder'.*another -o"):
        prepared([folder], group_by="folder")


def test_grey_is_a_finding_only_among_colour(tmp_path):
    for index in range(20):
        image = Image.fromarray(samples.draw(index, 40)).convert("L")
        (tmp_path / "g").mkdir(exist_ok=True)
        image.save(tmp_path / "g" / f"{index}.png")
    assert prepared([tmp_path / "g"]).findings.get("grey") is None


def test_nothing_usable(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        prepared([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image"):
        prepared([tmp_path / "empty"])
    (tmp_path / "empty" / "a.png").write_text("no")
    with pytest.raises(DataError, match=r"none of 1 images can be read, first a\.png is not an image"):
        prepared([tmp_path / "empty"])


def write_shards(folder: Path, count: int, shards: int) -> None:
    for shard in range(shards):
        folder.mkdir(exist_ok=True)
        with tarfile.open(folder / f"{shard:03}.tar", "w") as tar:
            for index in range(shard, count, shards):
                path = save(folder / "tmp.png", index)
                tar.add(path, f"{index:04}.png")
                (folder / "tmp.json").write_text("{}")
                tar.add(folder / "tmp.json", f"{index:04}.json")
    (folder / "tmp.png").unlink()
    (folder / "tmp.json").unlink()


def test_shards_are_read_in_place(tmp_path):
    write_shards(tmp_path / "shards", 30, 3)
    facts = prepared([tmp_path / "shards"])
    assert facts.used == 30
    source = open_dataset("x.dataset").dataset
    assert isinstance(source, ShardedDataset)
    assert sorted(index for shard in source.shards for index in shard) == list(range(len(source.names)))
    for shard in source.shards:
        names = [source.names[index] for index in shard]
        assert names == sorted(names)
        for index in shard:
            number = int(Path(source.names[index]).stem)
            assert np.array_equal(source.read(index, 48), samples.draw(number, 48))
            again = source.decode(index, source.read_bytes(index), 48)
            assert np.array_equal(again, samples.draw(number, 48))
    assert not list((tmp_path / "shards").glob("*.png"))


def test_hugging_face_folders(tmp_path):
    pytest.importorskip("datasets", reason="needs the extra: pip install 'inpaintlab[data]'")
    for index in range(24):
        save(tmp_path / "hub" / "train" / f"class-{index % 2}" / f"{index}.png", index)
    facts = prepared([f"hf:{tmp_path / 'hub'}"])
    assert facts.used == 24
    assert {row["folder"] for row in rows().values()} == {"class-0", "class-1"}
    source = open_dataset("x.dataset")
    assert source.read(0, 48).shape == (48, 48, 3)
    assert not isinstance(source, ShardedDataset)


def test_parquet_with_images_in_it(tmp_path):
    pytest.importorskip("datasets", reason="needs the extra: pip install 'inpaintlab[data]'")
    import pyarrow as pa

    images = [
        {"bytes": hostile.encode(Image.fromarray(samples.draw(i, 40)), "PNG"), "path": f"{i}.png"}
        for i in range(20)
    ]
    people = [f"p{i % 5}" for i in range(20)]
    pq.write_table(pa.table({"image": images, "person": people}), tmp_path / "images.parquet")
    prepared([f"hf:{tmp_path / 'images.parquet'}"], group_by="column:person")
    sides: dict = {}
    for row in rows().values():
        sides.setdefault(dict(row["columns"])["person"], set()).add(row["split"])
    assert len(sides) == 5
    assert all(len(side) == 1 for side in sides.values())


def test_a_library_that_is_missing_and_a_name_that_is_wrong(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="cannot be opened"):
        prepared([f"hf:{tmp_path / 'none'}"])
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'inpaintlab\[data\]'"):
        prepared(["hf:someone/something"])


def test_a_dataset_is_the_split_of_a_run(folder):
    facts = prepared([folder])
    source = open_dataset("x.dataset").dataset
    assert isinstance(source, PreparedDataset)
    assert (len(source.predefined_split.train), len(source.predefined_split.val)) == (
        facts.train,
        facts.val,
    )
    assert source.predefined_split.test_count == facts.test
    test = {row["path"] for row in rows().values() if row["split"] == "test"}
    assert not test & set(source.names)
    folds = [open_dataset("x.dataset", fold=fold).split for fold in range(5)]
    assert sorted(index for fold in folds for index in fold.val) == list(range(len(source.names)))
    assert all(not set(fold.train) & set(fold.val) for fold in folds)
    with pytest.raises(DataError, match="folds 0 to 4"):
        open_dataset("x.dataset", fold=5)
    with pytest.raises(DataError, match="has no folds"):
        open_dataset(folder, fold=0)


def test_an_image_that_vanished_is_named(folder):
    prepared([folder])
    source = open_dataset("x.dataset")
    shutil.rmtree(folder)
    with pytest.raises(Exception, match="there is no file"):
        source.read(0, 32)


def test_every_finding_says_something():
    assert all(finding.text for finding in FINDINGS.values())


def test_real_faces_lie_on_one_side(real_faces, tmp_path):
    """An independent check, on part of the faces: all pairs, by Pillow and imagehash alone."""
    names = sorted(path.name for path in real_faces.iterdir())[:400]
    part = tmp_path / "faces"
    part.mkdir()
    for name in names:
        (part / name).symlink_to(real_faces.resolve() / name)
    prepared([part])
    found = rows()
    images = [Image.open(part / name).convert("RGB") for name in names]
    upright = np.array([imagehash.phash(image).hash.ravel() for image in images])
    mirrored = np.array([imagehash.phash(ImageOps.mirror(image)).hash.ravel() for image in images])
    apart = np.minimum(
        (upright[:, None] != upright).sum(axis=2), (mirrored[:, None] != upright).sum(axis=2)
    )
    sides = [(found[name]["split"], found[name]["fold"]) for name in names]
    pairs = [(i, j) for i, j in np.argwhere(apart <= 6) if i != j]
    assert pairs
    assert all(sides[i] == sides[j] for i, j in pairs)


def test_what_is_missing_is_asked_for(folder):
    with pytest.raises(SettingError, match=r"-o NAME\.dataset"):
        prepare(PrepareSettings(sources=[str(folder)]))
    with pytest.raises(SettingError, match="say what to prepare"):
        prepare(PrepareSettings(output=Path("x.dataset")))
