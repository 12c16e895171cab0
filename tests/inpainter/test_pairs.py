import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from inpaintlab.errors import DataError, ImageError, OutputError
from inpaintlab.inpainter.lists import read_list
from inpaintlab.inpainter.pairs import (
    Pair,
    check_outputs,
    find_pairs,
    images_in,
    match,
    name_outputs,
    split_marked,
)

stems = st.text("abcxyz01", min_size=1, max_size=4)
folders = st.sampled_from(["", "one", "one/two", "three"])
marks = st.sampled_from(["_mask", "-mask", ".mask", "_Mask"])
suffixes = st.sampled_from([".png", ".jpg", ".webp"])
images = st.dictionaries(st.tuples(folders, stems), suffixes, min_size=1, max_size=6)


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(pairing, *roots):
    """Pairs as `image mask name` in short."""
    short = lambda path: next(  # noqa: E731
        str(path.relative_to(root)) for root in (*roots, path.anchor or ".") if path.is_relative_to(root)
    )
    return [f"{short(p.image)} {short(p.mask)} {p.name}" for p in pairing.pairs]


@given(images=images, mark=marks, suffix=suffixes, numbers=st.sets(st.integers(0, 99), max_size=3))
def test_every_mask_finds_its_image_beside_it(images, mark, suffix, numbers):
    """Whatever the names: n images with k masks each are n·k pairs, with names of their own."""
    files = [Path(folder, stem + end) for (folder, stem), end in images.items()]
    ends = [f"{number:03}" for number in numbers] or [""]
    masks = [path.with_name(path.stem + mark + end + suffix) for path in files for end in ends]
    assert split_marked([*masks, *files]) == (files, masks)
    pairing = match(files, masks)
    assert {(p.image, p.mask) for p in pairing.pairs} == {
        (path, mask) for path, mask in zip([f for f in files for _ in ends], masks, strict=True)
    }
    assert len({p.name.with_suffix("") for p in pairing.pairs}) == len(masks)
    assert (pairing.without_mask, pairing.without_image) == ([], [])


@given(images=images, others=images, mark=st.one_of(st.just(""), marks))
def test_pairs_of_two_folders(images, others, mark):
    """Every image and every mask is in a pair or alone, and pairs agree in folder and stem."""
    files = [Path(folder, stem + end) for (folder, stem), end in images.items()]
    masks = [Path(folder, stem + mark + end) for (folder, stem), end in others.items()]
    pairing = match(files, masks, "masks")
    assert {p.image for p in pairing.pairs} | set(pairing.without_mask) == set(files)
    assert {p.mask for p in pairing.pairs} | set(pairing.without_image) == set(masks)
    assert len(pairing.pairs) + len(pairing.without_mask) == len(files)
    shared = images.keys() & others.keys()
    assert {(str(p.image.parent).replace(".", ""), p.image.stem) for p in pairing.pairs} == shared
    assert all(p.mask.parent == p.image.parent == p.name.parent for p in pairing.pairs)


def test_masks_beside_images(tmp_path):
    touch(tmp_path, "a.jpg", "a_mask.png", "sub/b.png", "sub/b-mask.png", "c.png", "d_mask.png")
    touch(tmp_path, ".hidden/e.png", "notes.txt", ".f.png")
    pairing = find_pairs(tmp_path, None)
    assert found(pairing, tmp_path) == ["a.jpg a_mask.png a.jpg", "sub/b.png sub/b-mask.png sub/b.png"]
    assert pairing.without_mask == [tmp_path / "c.png"]
    assert pairing.without_image == [tmp_path / "d_mask.png"]
    assert pairing.rule in ("NAME_mask.png beside NAME.jpg", "NAME-mask.png beside NAME.png")
    assert find_pairs(tmp_path, tmp_path).pairs == pairing.pairs


def test_several_masks_of_an_image(tmp_path):
    touch(tmp_path, "image1.png", "image1_mask001.png", "image1_mask002.png", "image2.png")
    touch(tmp_path, "image2_mask000.png")
    pairing = find_pairs(tmp_path, None)
    assert found(pairing, tmp_path) == [
        "image1.png image1_mask001.png image1_mask001.png",
        "image1.png image1_mask002.png image1_mask002.png",
        "image2.png image2_mask000.png image2_mask000.png",
    ]
    assert pairing.rule == "NAME_maskNUMBER.png beside NAME.png, a result for each mask"
    assert len(find_pairs(tmp_path / "image1.png", None).pairs) == 2


def test_two_folders(tmp_path):
    touch(tmp_path, "p/a.jpg", "p/x/a.jpg", "p/b.jpg", "m/a.png", "m/x/a_mask.png", "m/y/b.png")
    pairing = find_pairs(tmp_path / "p", tmp_path / "m")
    assert found(pairing, tmp_path / "p", tmp_path / "m") == [
        "a.jpg a.png a.jpg",
        "x/a.jpg x/a_mask.png x/a.jpg",
    ]
    assert pairing.without_mask == [tmp_path / "p/b.jpg"]
    assert pairing.without_image == [tmp_path / "m/y/b.png"]
    (pair,) = find_pairs(tmp_path / "p/b.jpg", tmp_path / "m/y").pairs
    assert (pair.image, pair.mask) == (tmp_path / "p/b.jpg", tmp_path / "m/y/b.png")


def test_folders_inside_the_folder_of_images_are_no_images(tmp_path):
    touch(tmp_path, "a.png", "masks/a.png", "out/a.png")
    pairing = find_pairs(tmp_path, tmp_path / "masks", tmp_path / "out")
    assert found(pairing, tmp_path) == ["a.png masks/a.png a.png"]
    assert pairing.without_mask == []


def test_one_mask_for_all(tmp_path):
    touch(tmp_path, "a.png", "sub/b.png", "mask.png")
    pairing = find_pairs(tmp_path, tmp_path / "mask.png")
    assert found(pairing, tmp_path) == ["a.png mask.png a.png", "sub/b.png mask.png sub/b.png"]
    assert pairing.rule == "mask.png for all"


@pytest.mark.parametrize(
    ("names", "image", "mask", "words"),
    [
        (
            ["a.png", "a_mask.png", "a-mask.png"],
            ".",
            None,
            "a.png has two masks, a-mask.png and a_mask.png",
        ),
        (["a.png", "a.jpg", "a_mask.png"], ".", None, "a_mask.png has two images, a.jpg and a.png"),
        (["p/a.png", "m/a.png", "m/a.jpg"], "p", "m", "a.png has two masks, a.jpg and a.png"),
        (["p/a.png", "m/a.png", "m/a_mask.png"], "p", "m", "two masks, a.png and a_mask.png"),
        (["a.png", "b.png"], ".", None, "would be called a_mask.png"),
        (["p/a.png", "m/b.png"], "p", "m", "first image is a.png, the first mask is b.png"),
        (["a_mask.png"], ".", None, "only masks"),
        (["notes.txt"], ".", None, "no image in"),
        (["a.png"], ".", "none", "there is no mask"),
        (["a.png"], "b.png", None, "there is no file"),
    ],
)
def test_what_cannot_be_paired(tmp_path, names, image, mask, words):
    touch(tmp_path, *names)
    with pytest.raises((DataError, ImageError), match=words):
        find_pairs(tmp_path / image, mask and tmp_path / mask)


LISTS = {
    "a.txt": "p/a.png\tm/a.png\n\np/b.png\tm/b.png\tx/new.jpg\n",
    "a.jsonl": '{"image": "p/a.png", "mask": "m/a.png"}\n'
    '{"image": "p/b.png", "mask": "m/b.png", "output": "x/new.jpg", "label": 3}\n',
    "a.csv": "label,image,mask,output\n1,p/a.png,m/a.png,\n2,p/b.png,m/b.png,x/new.jpg\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_lists(tmp_path, name):
    (tmp_path / name).write_text(LISTS[name])
    pairing = find_pairs(tmp_path / name, None)
    assert found(pairing, tmp_path) == ["p/a.png m/a.png a.png", "p/b.png m/b.png x/new.jpg"]
    assert [pair.fixed for pair in pairing.pairs] == [False, True]


def test_lists_of_images_alone(tmp_path):
    touch(tmp_path, "p/a.png", "p/b.png", "p/c.png", "p/a_mask.png", "p/b_mask.png", "m/b.png")
    (tmp_path / "a.txt").write_text("p/a.png\np/b.png\tm/b.png\n")
    pairing = find_pairs(tmp_path / "a.txt", None)
    assert found(pairing, tmp_path) == ["p/a.png p/a_mask.png a.png", "p/b.png m/b.png b.png"]
    assert pairing.rule == "the list, and NAME_mask.png beside NAME.png"
    (tmp_path / "a.txt").write_text("p/b.png\n")
    assert found(find_pairs(tmp_path / "a.txt", tmp_path / "m"), tmp_path) == ["p/b.png m/b.png b.png"]


def test_an_image_in_several_lines_is_named_after_its_masks(tmp_path):
    (tmp_path / "a.txt").write_text("a.png\tm/1.png\na.png\tm/a_2.png\n")
    assert [str(p.name) for p in find_pairs(tmp_path / "a.txt", None).pairs] == ["a_1.png", "a_2.png"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "\n", "names no image"),
        ("a.txt", "a\tb\tc\td\n", "line 1 has 4 parts"),
        ("a.txt", "a.png\tb.png\t../c.png\n", "leaves the output folder"),
        ("a.txt", "a.png\tb.png\t/c.png\n", "leaves the output folder"),
        ("a.jsonl", "{\n", "line 1 is not JSON"),
        ("a.jsonl", "[1]\n", "must be an object"),
        ("a.jsonl", '{"photo": "a.png"}\n', "needs 'image'"),
        ("a.jsonl", '{"image": 3}\n', "a path is text, got 3"),
        ("a.csv", "photo,mask\na,b\n", "has the columns photo, mask"),
        ("a.csv", "", "it needs one called image"),
    ],
)
def test_bad_lists(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words):
        read_list(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "image,mask\na.png,m.png\na.png,m.png\n"),
        ("a.csv", "image, mask\na.png, m.png\n"),
        ("a.csv", "\ufeffimage , mask , output\r\na.png , m.png ,\r\n\r\n"),
        ("a.csv", 'mask, image\nm.png, "a.png"\n'),
        ("a.txt", "a.png\tm.png\r\n\r\na.png\tm.png"),
        ("a.jsonl", '{"image": "a.png", "mask": "m.png", "note": "x\u2028y\u0085z\x0c"}\n'),
    ],
)
def test_lists_as_programs_write_them(tmp_path, name, text):
    (tmp_path / name).write_text(text.replace("\x0c", "\\f"), encoding="utf-8", newline="")
    (row,) = read_list(tmp_path / name)
    assert (row.image, row.mask) == (tmp_path / "a.png", tmp_path / "m.png")


def test_repeated_lines_are_told(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("a.png\tm.png\n" * 3 + "a.png\tn.png\n")
    assert len(read_list(tmp_path / "a.txt")) == 2
    assert "a.txt: 2 of 4 lines repeat another: each is filled once" in capsys.readouterr().err


def test_a_json_file_is_no_list(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(DataError, match=r"a\.json is no list that can be read: give \.jsonl"):
        find_pairs(tmp_path / "a.json", None)


def test_lists_may_hold_full_paths(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"image": "/one/../two/a.png", "mask": "m.png"}))
    assert read_list(tmp_path / "a.jsonl")[0].image == Path("/two/a.png")
    assert read_list(tmp_path / "a.jsonl")[0].mask == tmp_path / "m.png"


def pair(image, mask="m.png", fixed=False):
    return Pair(Path(image), Path(mask), Path(image), fixed)


@pytest.mark.parametrize(
    ("wanted", "suffixes"),
    [
        (None, [".png", ".png", ".tif", ".png", ".jpg"]),
        ("same", [".jpg", ".png", ".tif", ".png", ".jpg"]),
        ("webp", [".webp", ".webp", ".webp", ".webp", ".jpg"]),
    ],
)
def test_formats_of_results(wanted, suffixes):
    pairs = [pair("a.jpg"), pair("b.png"), pair("c.tif"), pair("d.gif"), pair("e.jpg", fixed=True)]
    assert [p.name.suffix for p in name_outputs(pairs, wanted)] == suffixes


def test_two_results_never_have_one_name():
    with pytest.raises(OutputError, match=r"a\.jpg and a\.png would both be written to out/a\.png"):
        check_outputs(name_outputs([pair("a.jpg"), pair("a.png")], None), Path("out"))
    twice = [pair("a.png", "m.png"), pair("a.png", "n.png")]
    with pytest.raises(OutputError, match=r"a\.png with m\.png and with n\.png would both"):
        check_outputs(twice, Path("out"))


def test_inputs_are_never_written_over(tmp_path):
    for name in ("a.png", "m.png"):
        with pytest.raises(OutputError, match=f"{name} is an input"):
            check_outputs([Pair(tmp_path / "a.png", tmp_path / "m.png", Path(name))], tmp_path)
    check_outputs([pair("a.png")], tmp_path / "out")


def test_a_suffix_in_a_list_that_cannot_be_written():
    with pytest.raises(ImageError, match=r"cannot write a\.gif"):
        name_outputs([pair("a.gif", fixed=True)], None)


def test_links_to_folders_are_not_followed_in_circles(tmp_path):
    touch(tmp_path, "a.png")
    (tmp_path / "again").symlink_to(tmp_path)
    assert images_in(tmp_path) == [Path("a.png")]
