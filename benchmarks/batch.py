"""Images a second of a batch, beside the same images one after another.

Reading and writing run in threads beside the network in a batch; what that buys is the ratio. Both write
the same files.

Usage: python benchmarks/batch.py RUN PICTURES MASKS
"""

import shutil
import sys
import tempfile
from pathlib import Path

from timing import alternate, median, median_ratio

from inpaintlab import FillSettings, Inpainter, fill_files
from inpaintlab.inpainter.pairs import find_pairs, name_outputs


def main(run: str, images: str, masks: str) -> None:
    folder = Path(tempfile.mkdtemp())
    pairs = name_outputs(find_pairs(Path(images), Path(masks)).pairs, None)

    def one_after_another() -> None:
        inpainter = Inpainter.load(run)
        for pair in pairs:
            inpainter.fill_file(pair.image, pair.mask, folder / "one" / pair.name)

    def batch() -> None:
        shutil.rmtree(folder / "batch", ignore_errors=True)  # or all would be there already
        fill_files(
            FillSettings(image=Path(images), mask=Path(masks), output=folder / "batch", run=Path(run))
        )

    seconds = alternate({"one after another": one_after_another, "batch": batch}, rounds=3)
    for pair in pairs:
        same = (folder / "one" / pair.name).read_bytes() == (folder / "batch" / pair.name).read_bytes()
        assert same, f"{pair.name} differs"
    for name, values in seconds.items():
        print(f"{name:>18}: {len(pairs) / median(values):.1f} images a second")
    ratio = median_ratio(seconds["one after another"], seconds["batch"])
    print(f"the batch is {ratio:.2f} times as fast, and writes the same bytes")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(*sys.argv[1:4])
