import hashlib
import io
import itertools
import tarfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from PIL import Image

from inpaintlab import masks
from inpaintlab.data import samples
from inpaintlab.data.augment import AUGMENTATIONS
from inpaintlab.data.loading import Images
from inpaintlab.data.sampling import BatchSampler, TrainingSamples
from inpaintlab.data.storage import Cache
from inpaintlab.data.streaming import Reader, ShardOrder, ShardStream, mixed, training_batches
from inpaintlab.errors import DataError, ImageError
from inpaintlab.images import Encoded, load_rgb

SIZE = 16


class TarSource:
    """Images in tar files, with the place of each found once; notes down what is read."""

    checked = True

    def __init__(self, paths):
        self.names, self.shards, self._places, self.log = [], [], [], []
        for path in paths:
            with tarfile.open(path) as tar:
                members = tar.getmembers()
            self.shards.append(range(len(self.names), len(self.names) + len(members)))
            self.names += [member.name for member in members]
            self._places += [(path, member.offset_data, member.size) for member in members]

    def read_bytes(self, index):
        self.log.append(index)
        path, offset, size = self._places[index]
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def decode(self, index, data, size):
        return load_rgb(Encoded(self.names[index], data), size)

    def read(self, index, size):
        return self.decode(index, self.read_bytes(index), size)

    def content_hash(self, index):
        return hashlib.sha256(self.read_bytes(index)).hexdigest()


def write_tars(folder, lengths, image=lambda index: samples.draw(index, 24)):
    """Write tar files with so many PNG images each."""
    numbers, paths = itertools.count(), []
    for shard, length in enumerate(lengths):
        paths.append(folder / f"{shard}.tar")
        with tarfile.open(paths[-1], "w") as tar:
            for index in itertools.islice(numbers, length):
                buffer = io.BytesIO()
                Image.fromarray(image(index)).save(buffer, "PNG")
                member = tarfile.TarInfo(f"{index}.png")
                member.size = len(buffer.getvalue())
                tar.addfile(member, io.BytesIO(buffer.getvalue()))
    return TarSource(paths)


def numbered(index):
    """An image whose colour is its number."""
    return np.full((SIZE, SIZE, 3), index, np.uint8)


def draws(source, augment="strong", indices=None, cache="off"):
    augmentation = AUGMENTATIONS.create(augment)
    stored = augmentation.stored_size(SIZE)
    indices = range(len(source.names)) if indices is None else indices
    images = Images(source, indices, SIZE, "training", stored=stored, cache=Cache(cache))
    return TrainingSamples(images, masks.make([{"name": "rectangles"}]), 0, augmentation)


def stream(source, workers=0, batches=6, **numbers):
    batched = BatchSampler(4, **numbers)
    return list(itertools.islice(training_batches(source, batched, workers), batches))


def assert_same(batches, others):
    for batch, other in zip(batches, others, strict=True):
        assert all(map(torch.equal, batch, other))


def shard_positions(lengths):
    ends = np.cumsum(lengths)
    return [np.arange(end - length, end) for end, length in zip(ends, lengths, strict=True)]


lengths = st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any)


@given(lengths, st.integers(1, 7), st.integers(0, 5), st.integers(0, 3))
def test_readers_share_every_image_without_overlap(sizes, total, epoch, seed):
    order = ShardOrder(shard_positions(sizes), seed)
    stretches = [order.stretch(epoch, Reader(number, total)) for number in range(total)]
    assert sorted(np.concatenate(stretches).tolist()) == list(range(sum(sizes)))
    counts = [len(stretch) for stretch in stretches]
    assert max(counts) - min(counts) <= 1


@given(lengths, st.integers(1, 5), st.integers(0, 4))
def test_within_a_shard_reading_goes_forward(sizes, total, epoch):
    shards = shard_positions(sizes)
    for number in range(total):
        stretch = ShardOrder(shards, 0).stretch(epoch, Reader(number, total)).tolist()
        for shard in shards:
            own = [position for position in stretch if position in shard]
            assert own == list(range(own[0], own[0] + len(own))) if own else True


@given(lengths, st.integers(1, 7))
def test_readers_get_equally_many_in_the_long_run(sizes, total):
    order = ShardOrder(shard_positions(sizes), 0)
    taken = [
        sum(len(order.stretch(epoch, Reader(number, total))) for epoch in range(total))
        for number in range(total)
    ]
    assert set(taken) == {sum(sizes)}


@given(st.integers(0, 60), st.integers(1, 20), st.integers(0, 60))
def test_a_buffer_loses_nothing_and_can_be_entered_anywhere(length, capacity, skip):
    whole = list(mixed(length, capacity, np.random.default_rng(1)))
    assert sorted(leaving for _, leaving in whole) == list(range(length))
    assert [number for entering, _ in whole for number in entering] == list(range(length))
    rest = list(mixed(length, capacity, np.random.default_rng(1), skip))
    assert [leaving for _, leaving in rest] == [leaving for _, leaving in whole[skip:]]
    assert [entering for entering, _ in rest[1:]] == [entering for entering, _ in whole[skip + 1 :]]
    held = set()
    for entering, leaving in rest:
        held |= set(entering)
        assert len(held) <= capacity
        held.remove(leaving)


def test_how_well_a_buffer_mixes():
    """Neighbours in the file are strangers in the stream, and an epoch says nothing of the next."""
    order = ShardOrder(shard_positions([100] * 20), 0)
    epochs = []
    for epoch in range(2):
        stretch = order.stretch(epoch, Reader(0, 1))
        random = np.random.default_rng(epoch)
        epochs.append(stretch[[leaving for _, leaving in mixed(len(stretch), 256, random)]])
    for taken in epochs:
        assert np.mean(np.abs(np.diff(taken)) == 1) < 0.01
        batches = taken[: len(taken) // 32 * 32].reshape(-1, 32) // 100
        assert np.mean([len(set(batch)) for batch in batches.tolist()]) > 3
    places = [np.argsort(taken) for taken in epochs]
    assert abs(np.corrcoef(*places)[0, 1]) < 0.3


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("world", [1, 2])
def test_every_image_once_an_epoch_over_ranks_and_workers(tmp_path, workers, world):
    source = write_tars(tmp_path, [5, 1, 11, 7], numbered)
    steps = 6
    seen = []
    for rank in range(world):
        taken = draws(source, "none")
        batches = stream(taken, workers, steps * 2, rank=rank, world=world)
        assert all(len(image) == 4 // world for image, *_ in batches)
        seen.append([(image[:, 0, 0, 0] * 255).round().int().tolist() for image, *_ in batches])
    epochs = [
        [number for rank in seen for batch in rank[half : half + steps] for number in batch]
        for half in (0, steps)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(24))
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("start", [1, 2, 5, 7])
@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_goes_on_with_the_same_samples(tmp_path, start, workers):
    source = draws(write_tars(tmp_path, [5, 8]))
    whole = stream(source, workers, 9)
    assert_same(whole[start:], stream(source, workers, 9 - start, start_step=start))


def test_resuming_reads_only_what_is_in_the_buffer(tmp_path):
    source = write_tars(tmp_path, [10, 10, 10])
    taken = ShardStream(draws(source), BatchSampler(4, 5), buffer=6)
    source.log.clear()
    next(iter(taken))
    assert len(source.log) == 6 + 3
    whole = list(itertools.islice(ShardStream(draws(source), BatchSampler(4), buffer=6), 6))
    assert_same(whole[5:], [next(iter(taken))])


def test_shards_are_read_forward(tmp_path):
    source = write_tars(tmp_path, [10, 10, 10])
    taken = ShardStream(draws(source), BatchSampler(5), buffer=7)
    list(itertools.islice(taken, 6))
    for shard in source.shards:
        assert [index for index in source.log[:30] if index in shard] == list(shard)


def test_masks_and_augmentation_are_those_of_the_draw(tmp_path):
    """As in map-style: only the image that a draw gets is another."""
    source = write_tars(tmp_path, [5, 8])
    streamed, kept = draws(source), draws(source, cache="memory")
    assert streamed.images.storage == "read from files each time"
    pairs = zip(stream(streamed, 2), stream(kept, 0), strict=True)
    assert all(torch.equal(one.masks, other.masks) for one, other in pairs)


def test_two_workers_over_two_epochs_repeat_no_draw(tmp_path):
    source = draws(write_tars(tmp_path, [5, 7]))
    images, holes, _ = (torch.cat(parts) for parts in zip(*stream(source, 2, 6), strict=True))
    assert len({image.numpy().tobytes() for image in images}) == 24
    assert len({hole.numpy().tobytes() for hole in holes}) >= 23


def test_only_images_of_the_part_are_read(tmp_path):
    source = write_tars(tmp_path, [5, 8], numbered)
    taken = draws(source, "none", indices=[12, 3, 7, 8])
    batches = stream(taken, 0, 3)
    assert {int(v) for image, *_ in batches for v in (image[:, 0, 0, 0] * 255).round()} == {3, 7, 8, 12}
    assert set(source.log) == {3, 7, 8, 12}


def test_a_broken_image_gives_way_to_another(tmp_path, capsys):
    source = write_tars(tmp_path, [6])
    decode = source.decode

    def failing(index, data, size):
        if index == 2:
            raise ImageError("2.png is damaged", "damaged")
        return decode(index, data, size)

    source.decode = failing
    batches = stream(draws(source), 0, 6)
    assert len(batches) == 6
    assert capsys.readouterr().err.count("2.png is damaged; another image takes its place") == 1
    source.decode = lambda *_: failing(2, b"", 8)
    with pytest.raises(DataError, match=r"can no longer be read: 2\.png is damaged"):
        stream(draws(source), 0, 1)


def test_shards_that_lack_an_image_are_refused(tmp_path):
    source = write_tars(tmp_path, [3, 3])
    source.shards = source.shards[:1]
    with pytest.raises(DataError, match="do not hold every image exactly once"):
        ShardStream(draws(source), BatchSampler(4))


@settings(max_examples=15, deadline=None)
@given(lengths, st.integers(1, 3), st.integers(0, 40), st.integers(0, 2))
def test_any_sample_can_be_begun_with(sizes, total, start, number):
    """Which epoch and what to skip of it, against counting through."""
    order, reader = ShardOrder(shard_positions(sizes), 1), Reader(number % total, total)
    counted = (
        (epoch, n) for epoch in itertools.count() for n in range(len(order.stretch(epoch, reader)))
    )
    assert next(order.from_sample(start, reader)) == next(itertools.islice(counted, start, None))
