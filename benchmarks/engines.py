"""What runs a network fastest on this CPU: torch, torch with channels last, or onnxruntime.

Each engine gets the same crops as `inpaint fill` makes them, padded and in range, through the very call
that `Inpainter` makes. Networks have random weights: the time is the same. Rows are medians of
alternating runs in one process; ratios are medians round by round, to torch.

Usage: python benchmarks/engines.py [--quick] [NETWORK …]      without a name: swift and unet
"""

import sys

import torch
from timing import alternate, median, median_ratio

from inpaintlab import networks
from inpaintlab.checkpoints import ModelCard
from inpaintlab.inpainter.export import to_onnx
from inpaintlab.inpainter.onnx import OnnxNetwork
from inpaintlab.networks import Network

SIZES, BATCHES, THREADS = (64, 128, 256), (1, 4, 20), (1, 2)
#: Rounds for each row: as many as take about a second, within these bounds.
FEWEST, MOST = 3, 15


def main(names: list[str], quick: bool) -> None:
    print(f"{'network':>8} threads  size batch  torch ms  ch.last  onnx   (as shares of torch)")
    for name in names:
        for size in SIZES[:2] if quick else SIZES:
            eager, last, files = engines(name, size)
            for threads in THREADS:
                torch.set_num_threads(threads)
                exported = OnnxNetwork(files, name, threads)
                for batch in BATCHES:
                    row(name, threads, size, batch, (eager, last, exported), 2 if quick else MOST)


def engines(name: str, size: int) -> tuple[Network, Network, bytes]:
    """Return a network, the same with channels last, and as an ONNX file."""
    torch.manual_seed(0)
    arguments = networks.resolve(name, networks.made_for(size, name, {}))
    eager, last = (networks.create(name, **arguments).eval() for _ in range(2))
    last.load_state_dict(eager.state_dict())
    last.to(memory_format=torch.channels_last)
    return eager, last, to_onnx(eager, ModelCard(name, arguments, size), "random weights")


def row(
    name: str, threads: int, size: int, batch: int, ways: tuple[Network, Network, Network], most: int
) -> None:
    eager, last, exported = ways
    image = torch.rand(batch, 3, size, size)
    mask = torch.zeros(batch, 1, size, size)
    mask[..., size // 4 : size // 2, size // 4 : size // 2] = 1
    with torch.inference_mode():
        turned = image.contiguous(memory_format=torch.channels_last)
        calls = {
            "torch": lambda: eager(image, mask),
            "channels last": lambda: last(turned, mask),
            "onnx": lambda: exported(image, mask),
        }
        once = median(alternate({"torch": calls["torch"]}, 1)["torch"])
        seconds = alternate(calls, max(min(FEWEST, most), min(most, round(1 / once))))
    ratios = [median_ratio(seconds[key], seconds["torch"]) for key in ("channels last", "onnx")]
    print(
        f"{name:>8} {threads:7} {size:5} {batch:5} {median(seconds['torch']) * 1000:9.1f}  "
        f"{ratios[0]:7.2f}  {ratios[1]:4.2f}",
        flush=True,
    )


if __name__ == "__main__":
    words = sys.argv[1:]
    main([word for word in words if word != "--quick"] or ["swift", "unet"], "--quick" in words)
