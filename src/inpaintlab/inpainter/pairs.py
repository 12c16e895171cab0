"""Which mask belongs to which image, by the conventions that people keep, and where its result goes.

Masks stand beside the images as `NAME_mask.png` (several as `NAME_mask001.png`, LaMa's way), or in a
folder of their own under the images' names, or there is one for all. Whatever could be read in two
ways is an error. Nothing is decoded here.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from inpaintlab.errors import DataError, ImageError, OutputError
from inpaintlab.files import same_form
from inpaintlab.images import MASK_NAME, SUFFIXES, WRITABLE, Walk, lossless_suffix
from inpaintlab.inpainter.lists import LISTS, Row, read_list


@dataclass(frozen=True)
class Pair:
    """An image and one mask of it; `name` is where the result goes, below the output folder.

    `fixed`: the name was given by a list, so that its suffix is the format.
    """

    image: Path
    mask: Path
    name: Path
    fixed: bool = False


@dataclass(frozen=True)
class Pairing:
    """All pairs in the order of their names, the rule they were found by, and what has no partner."""

    pairs: list[Pair]
    rule: str
    without_mask: list[Path] = field(default_factory=list)
    without_image: list[Path] = field(default_factory=list)


def find_pairs(image: Path, mask: Path | None, output: Path | None = None) -> Pairing:
    """Pair an image, a folder of them or a list with masks; what is in `output` is no input.

    Raises `DataError` where there is nothing to pair, or more than one way to do it, and `ImageError`
    where there is no such file.
    """
    if not image.exists():
        raise ImageError(f"there is no file {image}")
    if image.suffix.lower() == ".json":
        raise DataError(
            f"{image} is no list that can be read: give .jsonl, an object a line, .csv or .txt"
        )
    if image.suffix.lower() in LISTS and image.is_file():
        pairing = _pair_list(read_list(image), mask)
    else:
        apart = [path for path in (mask, output) if path is not None and path != image]
        root = image if image.is_dir() else image.parent
        images = images_in(image, apart) if image.is_dir() else [Path(image.name)]
        if not images:
            raise DataError(f"there is no image in {image}")
        pairing = _pair_files(root, images, mask, alone=not image.is_dir())
    if not pairing.pairs:
        raise _nothing_paired(pairing, mask)
    return replace(pairing, pairs=sorted(pairing.pairs, key=lambda pair: (pair.name, pair.mask)))


def images_in(folder: Path, apart: Iterable[Path] = (), *, outputs: bool = False) -> list[Path]:
    """Return the image files of a folder and its subfolders, relative to it, in order.

    Passed over, besides what `Walk` says, are the files and folders `apart`.
    """
    return Walk(masks=True, outputs=outputs, apart=apart).paths(folder)


def split_marked(files: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Tell images from files that are called masks, where both stand in one folder.

    A file `NAME_mask` is a mask, unless there is no `NAME` while there is a `NAME_mask_mask`.

    >>> names = ["a.jpg", "a_mask.png", "gas-mask.jpg", "gas-mask_mask.png"]
    >>> [[path.name for path in part] for part in split_marked(Path(name) for name in names)]
    [['a.jpg', 'gas-mask.jpg'], ['a_mask.png', 'gas-mask_mask.png']]
    """
    files = list(files)
    wanted = {base for path in files if (base := _base(path)) is not None}
    images: set[Path] = set()
    # An image's name is shorter than those of its masks, so it has been seen when they come.
    for path in sorted(files, key=lambda path: len(_key(path).name)):
        base = _base(path)
        if base is None or (base not in images and _key(path) in wanted):
            images.add(_key(path))
    return (
        [path for path in files if _key(path) in images],
        [path for path in files if _key(path) not in images],
    )


def match(images: Iterable[Path], masks: Iterable[Path], folder: str = "") -> Pairing:
    """Pair relative paths by folder and name.

    Masks of another `folder` (its name, for the rule) may also be called just as their images are. A
    image may have several masks with a number each; their results are named after the mask. Raises
    `DataError` for a mask with two images, and for an image with two masks of one number.
    """
    by_key: dict[Path, list[Path]] = defaultdict(list)
    for path in images:
        by_key[_key(path)].append(path)
    masks_of: dict[Path, list[Path]] = defaultdict(list)
    orphans = []
    for mask in masks:
        base = _key(mask) if folder and _key(mask) in by_key else _base(mask)
        if base in by_key:
            masks_of[base].append(mask)
        else:
            orphans.append(mask)
    pairs = []
    for key, found in masks_of.items():
        if len(by_key[key]) > 1:
            raise _two("images", found[0], by_key[key])
        pairs += _pairs_of(by_key[key][0], found)
    alone = [path for key, paths in by_key.items() if key not in masks_of for path in paths]
    return Pairing(pairs, _rule(pairs, folder), alone, orphans)


def _pairs_of(image: Path, masks: list[Path]) -> list[Pair]:
    """Return the pairs of one image; each of its masks needs a number of its own."""
    numbered: dict[str, list[Path]] = defaultdict(list)
    for mask in masks:
        marked = MASK_NAME.fullmatch(mask.stem) if _key(mask).name != _key(image).name else None
        numbered[marked["number"] if marked else ""].append(mask)
    pairs = []
    for number, same in numbered.items():
        if len(same) > 1:
            raise _two("masks", image, same)
        stem = same[0].stem if number else image.stem
        pairs.append(Pair(image, same[0], image.with_name(stem + image.suffix)))
    return pairs


def _two(what: str, of: Path, candidates: Sequence[Path]) -> DataError:
    first, second = sorted(candidates)[:2]
    return DataError(
        f"{of} has two {what}, {first} and {second}: take one away, or give a list of pairs"
    )


def _rule(pairs: list[Pair], folder: str) -> str:
    """Say by what pairs were found, as most of them were."""
    if not pairs:
        return "nothing"
    forms = Counter(_form(pair) for pair in pairs)
    (mask, image), _ = forms.most_common(1)[0]
    where = f"in {folder} for" if folder else "beside"
    several = len({pair.image for pair in pairs}) < len(pairs)
    return f"{mask} {where} {image}" + (", a result for each mask" if several else "")


def _form(pair: Pair) -> tuple[str, str]:
    marked = MASK_NAME.fullmatch(pair.mask.stem)
    if marked is None or _key(pair.mask).name == _key(pair.image).name:
        return f"NAME{pair.mask.suffix}", f"NAME{pair.image.suffix}"
    digits = re.sub(r"\d+", "NUMBER", marked["number"])
    return f"NAME{marked['mark']}{digits}{pair.mask.suffix}", f"NAME{pair.image.suffix}"


def _pair_files(root: Path, images: list[Path], mask: Path | None, *, alone: bool) -> Pairing:
    """Pair images, given relative to a folder; of those `alone` only they themselves are images."""
    if mask is None or mask.resolve() == root.resolve():
        images, marked = (images, _beside(root, images)) if alone else split_marked(images)
        return _placed(match(images, marked), root, root)
    if mask.is_dir():
        found = match(images, images_in(mask, outputs=True), mask.name or str(mask))
        return _placed(replace(found, without_image=[] if alone else found.without_image), root, mask)
    if not mask.is_file():
        raise DataError(f"there is no mask {mask}, neither a file nor a folder")
    return Pairing([Pair(root / path, mask, path) for path in images], f"{mask.name} for all")


def _beside(root: Path, images: list[Path]) -> list[Path]:
    """Return the masks that stand beside images."""
    keys = {_key(path) for path in images}
    masks: list[Path] = []
    for folder in sorted({path.parent for path in images}):
        listing = sorted((root / folder).iterdir()) if (root / folder).is_dir() else []
        files = [folder / path.name for path in listing if path.suffix.lower() in SUFFIXES]
        masks += [path for path in files if _base(path) in keys]
    return masks


def _placed(found: Pairing, root: Path, mask_root: Path) -> Pairing:
    """Put the folders in front of relative paths."""
    pairs = [replace(p, image=root / p.image, mask=mask_root / p.mask) for p in found.pairs]
    without_mask = [root / path for path in found.without_mask]
    return Pairing(pairs, found.rule, without_mask, [mask_root / p for p in found.without_image])


def _pair_list(rows: list[Row], mask: Path | None) -> Pairing:
    """Pair what a list holds; images without a mask of their own are paired as files are."""
    root = Path(os.path.commonpath([row.image.parent for row in rows]))
    times = Counter(row.image for row in rows)
    pairs = [_listed(row, row.mask, root, times[row.image] > 1) for row in rows if row.mask is not None]
    listed = bool(pairs)
    rest = {row.image.relative_to(root): row for row in rows if row.mask is None}
    if not rest:
        return Pairing(pairs, "the list")
    found = _pair_files(root, list(rest), mask, alone=True)
    for pair in found.pairs:
        row = rest[pair.image.relative_to(root)]
        pairs.append(pair if row.output is None else replace(pair, name=row.output, fixed=True))
    return replace(found, pairs=pairs, rule=f"the list, and {found.rule}" if listed else found.rule)


def _listed(row: Row, mask: Path, root: Path, several: bool) -> Pair:
    """Return the pair of a line; an image that stands in several lines is named after its masks."""
    if row.output is not None:
        return Pair(row.image, mask, row.output, fixed=True)
    name = row.image.relative_to(root)
    if several:
        stem = mask.stem if mask.stem.startswith(name.stem) else f"{name.stem}_{mask.stem}"
        name = name.with_name(stem + name.suffix)
    return Pair(row.image, mask, name)


def _nothing_paired(pairing: Pairing, mask: Path | None) -> DataError:
    if not pairing.without_mask:
        return DataError(f"no image belongs to {pairing.without_image[0]}, there are only masks")
    image = pairing.without_mask[0]
    if mask is not None:
        seen = f", the first mask is {pairing.without_image[0].name}" if pairing.without_image else ""
        return DataError(
            f"no mask in {mask} belongs to an image: the first image is {image.name}{seen}; a mask "
            f"is called {image.stem}.png or {image.stem}_mask.png, in the same subfolder"
        )
    return DataError(
        f"no mask stands beside {image}: it would be called {image.stem}_mask.png; or name a mask, "
        f"or a folder of masks, after the images"
    )


def _key(path: Path) -> Path:
    return Path(same_form(str(path.parent / path.stem)))


def _base(path: Path) -> Path | None:
    """Return the key of the image that a file is called a mask of."""
    marked = MASK_NAME.fullmatch(path.stem)
    return Path(same_form(str(path.parent / marked["image"]))) if marked else None


def name_outputs(pairs: Iterable[Pair], wanted: str | None) -> list[Pair]:
    """Give every pair's name the suffix it is to be written with.

    `wanted` is a format, `same` for the image's own wherever it can be written, or None for its own
    wherever that keeps every pixel. Names from a list stay. Raises `ImageError` for one of them that
    cannot be written.
    """
    pairs = list(pairs)
    for pair in pairs:
        if pair.fixed:
            check_suffix(pair.name)
    return [
        p if p.fixed else replace(p, name=p.name.with_suffix(_suffix(p.image, wanted))) for p in pairs
    ]


def check_suffix(name: Path) -> None:
    """Raise `ImageError` for the name of a result whose suffix is no format, or that has none."""
    if not name.suffix:
        raise ImageError(
            f"{name} is no folder that is there, and has no suffix, which says the format: name a file, "
            f"as {name}.png, or make the folder first"
        )
    if name.suffix.lower() not in WRITABLE:
        allowed = ", ".join(sorted(WRITABLE))
        raise ImageError(f"cannot write {name}: the suffix must be one of {allowed}")


def variant_names(name: Path, count: int) -> list[Path]:
    """Return the names of so many fills of one image: the first is the image's own.

    >>> [str(name) for name in variant_names(Path("out/face.png"), 3)]
    ['out/face.png', 'out/face-2.png', 'out/face-3.png']
    """
    return [name, *(name.with_stem(f"{name.stem}-{number}") for number in range(2, count + 1))]


def check_outputs(pairs: Iterable[Pair], folder: Path, variants: int = 1) -> None:
    """Raise `OutputError` where two results would have one name, or one would replace an input."""
    owners: dict[Path, Pair] = {}
    inputs: set[Path] = set()
    for pair in pairs:
        for name in variant_names(pair.name, variants):
            other = owners.setdefault(name, pair)
            if other is not pair:
                cure = "keep their formats with --format same"
                if pair.name != other.name:  # one of them is a variant
                    cure = "fill in fewer --variants"
                raise OutputError(
                    f"{_owners(other, pair)} would both be written to {folder / name}: "
                    f"{cure}, or give a list with outputs"
                )
        inputs |= {pair.image.resolve(), pair.mask.resolve()}
    root = folder.resolve()
    for name in owners:
        if root / name in inputs:
            raise OutputError(f"{folder / name} is an input: give another folder with -o")


def _owners(first: Pair, second: Pair) -> str:
    if first.image != second.image:
        return f"{first.image} and {second.image}"
    return f"{first.image} with {first.mask.name} and with {second.mask.name}"


def _suffix(image: Path, wanted: str | None) -> str:
    own = image.suffix
    if wanted == "same":
        return own if own.lower() in WRITABLE else lossless_suffix(image)
    return f".{wanted}" if wanted else lossless_suffix(image)
