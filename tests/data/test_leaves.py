import numpy as np
import pytest

from inpaintlab.data import leaves
from inpaintlab.data.sources import open_dataset
from inpaintlab.errors import DataError


@pytest.mark.parametrize("size", [8, 33, 64])
def test_a_function_of_seed_and_index(size):
    image = leaves.draw(3, size)
    assert (image.shape, image.dtype) == ((size, size, 3), np.uint8)
    assert np.array_equal(image, leaves.draw(3, size))
    assert not np.array_equal(image, leaves.draw(4, size))
    assert not np.array_equal(image, leaves.draw(3, size, seed=1))


def test_sizes_show_the_same_shapes():
    """Grain and mottles differ; what is drawn stands at the same places."""
    alike = []
    for index in range(12):
        large = leaves.draw(index, 128).reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
        alike.append(np.corrcoef(leaves.draw(index, 32).ravel(), large.ravel())[0, 1])
    assert np.median(alike) > 0.8


def test_its_neighbours_are_as_alike_as_those_of_photographs():
    """Steps between neighbours over the spread; of photographs at 64 px it is 0.2 to 0.6."""
    shares = []
    for index in range(60):
        grey = leaves.draw(index, 64).mean(2)
        shares.append(np.abs(np.diff(grey, axis=1)).mean() / max(1.0, grey.std()))
    assert 0.1 < np.median(shares) < 0.8


def test_it_is_opened_by_name():
    images = open_dataset("samples:leaves:12")
    assert np.array_equal(images.dataset.read(5, 32), leaves.draw(5, 32))
    assert images.dataset.names[5] == "leaves-000005"
    with pytest.raises(DataError, match="no samples 'leafs', did you mean 'leaves'"):
        open_dataset("samples:leafs:12")
    with pytest.raises(DataError, match="samples:leaves:N take a number"):
        open_dataset("samples:leaves:many")
