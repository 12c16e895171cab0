import torch

from inpaintlab import masks, networks
from inpaintlab.data.loading import Images
from inpaintlab.data.sources import open_dataset
from inpaintlab.masks import FrozenMasks
from inpaintlab.metrics import hole_psnr
from inpaintlab.training.objectives import create
from inpaintlab.training.validation import Validation


def validation(batch):
    images = Images(open_dataset("samples:7"), range(7), 16, "validation")
    return Validation(images, FrozenMasks(masks.make([{"name": "rectangles"}]), 16, 7), batch)


def test_means_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    network = networks.create("unet", width=8, depth=1).eval()
    device = torch.device("cpu")
    small, whole = (validation(batch).run(network, create("reconstruction"), device) for batch in (3, 7))
    assert small.keys() == {"loss", "hole_l1", "known_l1", "hole_psnr"}
    assert all(abs(small[key] - whole[key]) < 1e-4 for key in small)
    image, mask = next(validation(7).batches())
    expected = hole_psnr(network(image, mask), image, mask).mean().detach()
    assert abs(whole["hole_psnr"] - float(expected)) < 1e-4


def test_always_the_same_images_and_masks():
    first, second = list(validation(3).batches()), list(validation(3).batches())
    assert [len(image) for image, _ in first] == [3, 3, 1]
    assert all(
        torch.equal(a, b) for x, y in zip(first, second, strict=True) for a, b in zip(x, y, strict=True)
    )


def test_grid_rows():
    network = networks.create("unet", width=8, depth=1).eval()
    grid = validation(3).grid(network, torch.device("cpu"), count=4)
    assert grid.shape == (12, 3, 16, 16)
    image, mask = validation(4).images.squares(0, 4), validation(4).masks.batch(0, 4)
    assert torch.equal(grid[8:], image)
    assert bool((grid[:4] * mask == mask).all())


def test_objective_weighs_its_parts():
    image, mask = torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    mask[..., :2, :2] = 1
    output = image + 0.1 * mask + 0.3 * (1 - mask)
    scalars = create("reconstruction").scalars(output, image, mask)
    assert torch.isclose(scalars["hole_l1"], torch.tensor(0.1))
    assert torch.isclose(scalars["known_l1"], torch.tensor(0.3))
    assert torch.isclose(scalars["loss"], torch.tensor(0.9))
