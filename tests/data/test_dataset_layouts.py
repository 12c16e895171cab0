from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from inpaintlab.data import samples
from inpaintlab.data.dataset_layouts import PUBLISHED, open_layout
from inpaintlab.data.prepare import prepare
from inpaintlab.errors import DataError
from inpaintlab.settings import PrepareSettings


def save(path: Path, index: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples.draw(index, 40)).save(path)


def make(top: Path, files: list[str], first: int = 0) -> None:
    for index, name in enumerate(files, first):
        save(top / name, index)


def celeba_hq(top: Path) -> None:
    originals = [1 + 500 * i for i in range(10)] + [162_771, 182_637, 182_638, 202_599]
    make(top, [f"CelebAMask-HQ/CelebA-HQ-img/{i}.jpg" for i in range(len(originals))])
    lines = [f"{i} {number - 1} {number:06}.jpg" for i, number in enumerate(originals)]
    text = "idx orig_idx orig_file\n" + "\n".join(lines) + "\n"
    (top / "CelebAMask-HQ" / "CelebA-HQ-to-CelebA-mapping.txt").write_text(text)


def numbered(folder: str, count: int, pattern: str = "{:03}.png") -> list[str]:
    return [f"{folder}/{pattern.format(i)}" for i in range(count)]


def stargan(top: Path) -> None:
    make(top, numbered("train/female", 10) + numbered("val/male", 4))


def ffhq(top: Path) -> None:
    make(top, [f"images1024x1024/{n // 1000 * 1000:05}/{n:05}.png" for n in range(0, 70_000, 5000)])


def imagenet(top: Path) -> None:
    make(top, numbered("train/n01440764", 10) + numbered("val", 3) + numbered("test", 2))


def imagenet_kaggle(top: Path) -> None:
    inside = "ILSVRC/Data/CLS-LOC"
    make(top, numbered(f"{inside}/train/n01440764", 10) + numbered(f"{inside}/val", 4))


def paris(top: Path) -> None:
    make(top, numbered("paris_train_original", 10) + numbered("paris_eval/paris_eval_gt", 4))
    make(top, numbered("paris_eval/paris_eval_corrupted", 4), 50)


def places_standard(top: Path) -> None:
    make(top, numbered("places365_standard/train/alley", 10) + numbered("places365_standard/val/a", 4))


def places_original(top: Path) -> None:
    make(top, numbered("data_large/a/alley", 10) + numbered("val_large", 2) + numbered("test_large", 3))


@pytest.mark.parametrize(
    ("name", "build", "sides"),
    [
        ("celeba-hq", celeba_hq, {"train": 10, "val": 2, "test": 2}),
        ("celeba-hq", stargan, {"train": 8, "val": 2, "test": 4}),
        ("ffhq", ffhq, {"train": 10, "val": 2, "test": 2}),
        ("imagenet", imagenet, {"train": 10, "val": 3, "test": 2}),
        ("imagenet", imagenet_kaggle, {"train": 8, "val": 2, "test": 4}),
        ("paris", paris, {"train": 8, "val": 2, "test": 4}),
        ("places2", places_standard, {"train": 8, "val": 2, "test": 4}),
        ("places2", places_original, {"train": 10, "val": 2, "test": 3}),
    ],
)
def test_published_layouts_keep_their_split(tmp_path, name, build, sides):
    build(tmp_path / "set")
    facts = prepare(
        PrepareSettings(
            sources=[str(tmp_path / "set")], layout=name, output=tmp_path / "x.dataset", near_distance=0
        )
    )
    assert {side: getattr(facts, side) for side in sides} == sides
    again = prepare(facts.settings)
    assert again.hash == facts.hash


def test_a_leak_across_the_published_split_stays_in_the_test(tmp_path):
    paris(tmp_path / "set")
    save(tmp_path / "set" / "paris_train_original" / "leak.png", 11)  # the second of the test
    facts = prepare(
        PrepareSettings(sources=[str(tmp_path / "set")], layout="paris", output=tmp_path / "x.dataset")
    )
    assert facts.findings["leak"] == 1
    assert facts.test == 4
    rows = pq.read_table(tmp_path / "x.dataset" / "manifest.parquet").to_pylist()
    (leak,) = [row for row in rows if "leak" in row["findings"]]
    assert leak["path"].endswith("leak.png")
    assert (leak["split"], leak["use"]) == (None, False)


def test_what_is_missing_is_named_with_where_to_ask(tmp_path):
    make(tmp_path, numbered("val_large", 2))
    with pytest.raises(DataError, match=r"Places2.*data_large missing; ask at http"):
        open_layout("places2", [str(tmp_path)])
    with pytest.raises(DataError, match="did you mean 'ffhq'"):
        open_layout("fhq", [str(tmp_path)])
    with pytest.raises(DataError, match="takes one folder"):
        open_layout("paris", [])
    make(tmp_path, ["CelebA-HQ-img/1.jpg"])
    _, side = open_layout("celeba-hq", [str(tmp_path)])
    with pytest.raises(DataError, match=r"mapping.txt is missing.*CelebAMask-HQ.zip"):
        side(str(tmp_path / "CelebA-HQ-img" / "1.jpg"))


def test_the_hub_is_asked_where_it_has_the_data_set():
    sources, side = open_layout("imagenet", [])
    assert sources == ["hf:ILSVRC/imagenet-1k"]
    assert [side(f"{sources[0]}#{part}") for part in ("train", "validation", "test")] == [
        "train", "val", "test"
    ]  # fmt: skip


def test_every_data_set_says_where_to_ask():
    assert all("http" in known.ask for known in PUBLISHED.values())
