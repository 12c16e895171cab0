import itertools
import os

import numpy as np
import pytest
import torch

from inpaintlab import masks
from inpaintlab.data.augment import AUGMENTATIONS, Augmentation
from inpaintlab.data.loading import Images, open_training_data
from inpaintlab.data.sampling import BatchSampler, TrainingSamples
from inpaintlab.data.sources import open_dataset
from inpaintlab.data.streaming import training_batches
from inpaintlab.errors import DataError, ImageError
from tests.conftest import save_portraits


def draws(count=12, size=16, seed=0, augment="flip", **options):
    augmentation = AUGMENTATIONS.create(augment)
    options["stored"] = augmentation.stored_size(size)
    images = Images(open_dataset(f"samples:{count}"), range(count), size, "training", **options)
    return TrainingSamples(images, masks.make([{"name": "rectangles"}]), seed, augmentation)


def stream(source, workers, batches=6, start=0):
    numbers = BatchSampler(4, start)
    return list(itertools.islice(training_batches(source, numbers, workers), batches))


def assert_same(batches, others):
    for batch, other in zip(batches, others, strict=True):
        assert all(map(torch.equal, batch, other))


@pytest.mark.parametrize("augment", ["flip", "strong"])
@pytest.mark.parametrize("workers", [1, 2])
def test_same_stream_for_any_number_of_workers(workers, augment):
    source = draws(augment=augment)
    assert_same(stream(source, 0), stream(source, workers))


def test_two_workers_over_two_epochs_repeat_no_draw():
    """Twelve images twice over, batches of four: nothing that is drawn comes a second time."""
    source = draws(augment="strong")
    two = stream(source, 2, 6)
    assert_same(stream(source, 0, 6), two)
    images, holes, _ = (torch.cat(parts) for parts in zip(*two, strict=True))
    assert len({image.numpy().tobytes() for image in images}) == 24
    assert len({hole.numpy().tobytes() for hole in holes}) >= 23
    numbers = {source[draw].parameters.tobytes() for draw in range(24)}
    assert len(numbers) == 24


def test_resuming_goes_on_in_the_stream():
    source = draws(augment="medium")
    assert_same(stream(source, 0, 6)[4:], stream(source, 0, 2, start=4))


def test_devices_share_a_batch():
    source = draws()
    whole = next(training_batches(source, BatchSampler(4), 0))[0]
    shares = [next(training_batches(source, BatchSampler(4, 0, rank, 2), 0))[0] for rank in (0, 1)]
    assert torch.equal(torch.cat(shares), whole)


def test_every_image_once_an_epoch_in_another_order():
    source = draws(augment="none")
    epochs = [[source[12 * epoch + place].window.tobytes() for place in range(12)] for epoch in range(2)]
    assert set(epochs[0]) == set(epochs[1])
    assert len(set(epochs[0])) == 12
    assert epochs[0] != epochs[1]


def test_every_sample_draws_its_own_mask_and_flip():
    """One mask for a batch, or one flip, is a classic: here the same image never repeats."""
    source = draws(count=1)
    seen = [source[index] for index in range(64)]
    assert len({sample.mask.tobytes() for sample in seen}) > 50
    assert len({image.numpy().tobytes() for image in source.collate(seen)[0]}) == 2
    other = draws(count=1, seed=1)
    assert any(not np.array_equal(seen[i].mask, other[i].mask) for i in range(4))


def test_crops_of_long_images_move(tmp_path):
    from PIL import Image

    from inpaintlab.data import samples

    Image.fromarray(np.concatenate([samples.draw(0, 32), samples.draw(1, 32)], 1)).save(
        tmp_path / "long.png"
    )
    images = Images(open_dataset(str(tmp_path)), [0], 16, "training")
    source = TrainingSamples(images, masks.make([{"name": "rectangles"}]), 0, Augmentation())
    assert images[0].shape == (16, 32, 3)
    crops = {source[index].window.tobytes() for index in range(60)}
    assert len(crops) > 10
    assert all(source[index].window.shape == (16, 16, 3) for index in range(5))
    assert np.array_equal(images.square(0), images[0][:, 8:24])


def test_values_and_shapes():
    image, mask, _ = stream(draws(), 0, 1)[0]
    assert image.shape == (4, 3, 16, 16)
    assert mask.shape == (4, 1, 16, 16)
    assert image.is_contiguous(memory_format=torch.channels_last)
    assert 0.2 < image.mean() < 0.8
    assert set(mask.unique().tolist()) == {0.0, 1.0}


def test_the_test_part_is_never_decoded(monkeypatch):
    source = open_dataset("samples:200")
    decoded = []
    read = source.dataset.read
    monkeypatch.setattr(
        source.dataset, "read", lambda index, size: decoded.append(index) or read(index, size)
    )
    data = open_training_data(source, 8, 0.1)
    assert sorted(decoded) == sorted(data.split.train + data.split.val)
    assert len(decoded) + data.split.test_count == 200
    assert data.split.test_count > 5


def test_real_faces(real_faces):
    """A hundred real files: all are read, none is dark or flat, and both parts get some."""
    names = sorted(real_faces.iterdir())[::120]
    source = open_dataset(str(real_faces))
    images = Images(source, [source.names.index(path.name) for path in names], 32, "test")
    assert images.bad == []
    squares = images.squares(0, len(images))
    assert squares.shape == (len(names), 3, 32, 32)
    assert bool((squares.std((1, 2, 3)) > 0.02).all())


def break_some(folder, count):
    for path in sorted(folder.iterdir())[:count]:
        path.write_bytes(path.read_bytes()[:300])


def test_bad_images_are_passed_over_and_named(tmp_path):
    folder = save_portraits(tmp_path / "p", 40)
    break_some(folder, 3)
    data = open_training_data(open_dataset(str(folder)), 16, 0.2)
    used = len(data.train) + len(data.val)
    assert used + len(data.bad) + data.split.test_count == 40
    assert 0 < len(data.bad) <= 3
    assert all(
        bad.name in ("000.png", "001.png", "002.png") and "cut short" in bad.reason for bad in data.bad
    )


def test_too_many_bad_images(tmp_path):
    folder = save_portraits(tmp_path / "p", 40)
    break_some(folder, 20)
    with pytest.raises(
        DataError, match=r"of \d+ images cannot be used, first 0.*more than max_bad_fraction = 0\.1"
    ):
        open_training_data(open_dataset(str(folder)), 16, 0.1)
    with pytest.raises(DataError, match="less than --size 64"):
        open_training_data(open_dataset(str(save_portraits(tmp_path / "q", 40))), 64, 0.1)
    with pytest.raises(DataError, match="no usable image"):
        open_training_data(open_dataset(str(tmp_path / "q")), 64, 1.0)


def test_a_dataset_without_validation_images_is_refused_before_a_run(inpaint, tmp_path):
    folder = save_portraits(tmp_path / "one", 1)
    assert inpaint(f"prepare {folder} -o one.dataset")[0] == 0
    code, _, err = inpaint("train one.dataset --size 32 --steps 1 -o run")
    assert code == 2
    assert "one.dataset has no usable image to validate with: bring more" in err


def test_a_name_that_is_not_text_is_told_as_what_is_wrong(tmp_path):
    folder = save_portraits(tmp_path / "p", 3)
    os.rename(os.fsencode(folder) + b"/000.png", os.fsencode(folder) + b"/caf\xe9.png")  # noqa: PTH104
    source = open_dataset(str(folder))
    with pytest.raises(ImageError, match="a name that is not valid text: rename the file"):
        source.read(len(source) - 1)


def test_images_are_left_out_by_name(tmp_path):
    """Names stay theirs when images are added; positions do not."""
    source = draws(count=12)
    images = source.images
    names = [images.name(3), images.name(7), "gone.png"]
    assert images.positions(names) == {3, 7}
    assert images.positions([]) == frozenset()
    skipping = TrainingSamples(images, source.masks, 0, source.augmentation, images.positions(names))
    seen = {skipping[draw].position for draw in range(24)}
    assert seen == set(range(12)) - {3, 7}
    assert all(
        skipping[draw].position == source[draw].position
        for draw in range(24)
        if source[draw].position not in (3, 7)
    )
