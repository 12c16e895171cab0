"""Training from shards: tar files too large to keep, each read strictly forward.

In every epoch the shards are put in another order and laid end to end; the *readers* (every worker of
every rank) take one stretch each, equal to within an image, so none is read twice and a shard is cut
only where two stretches meet, which with fewer shards than readers is inside them. A reader mixes its
stretch in a buffer of compressed images. Which image comes next is a function of (seed, epoch,
reader, number of readers) alone, worked out on numbers, so a resumed run skips ahead without reading
what it skips.

Nothing is dropped at the end of an epoch: a batch can lie across two of them, the stretches rotate among
the readers from epoch to epoch, and the stream has no end. So every rank has as many batches as any
other. A stream is the same again for the same number of ranks and workers; with other numbers images
come in another order, but the mask and the augmentation of a sample number stay what they are.
"""

import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice
from multiprocessing.queues import Queue
from tempfile import gettempdir
from typing import Any, cast

import numpy as np
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from inpaintlab.arrays import Int64, UInt8
from inpaintlab.data.augment import Batch
from inpaintlab.data.dataset import at_stored_size
from inpaintlab.data.folders import ShardedDataset
from inpaintlab.data.loading import TRIES
from inpaintlab.data.sampling import BatchSampler, TrainingSamples
from inpaintlab.errors import DataError, ImageError, InpaintlabError, RunError
from inpaintlab.machine import processors
from inpaintlab.randomness import Stream

#: Compressed images that a reader mixes: some tens of megabytes.
BUFFER = 1024
#: Bytes that Linux allows for the path of a socket, and those that multiprocessing adds to a folder.
_LONGEST_SOCKET, _IN_FOLDER = 107, len("/pymp-01234567/listener-01234567")
#: How torch speaks of an error in a worker, and of one that was killed or found no shared memory.
_OF_WORKER, _ENDED = " in DataLoader worker process ", ("DataLoader worker (pid", "shared memory(shm)")


@dataclass(frozen=True)
class Reader:
    """One of `total` that share the images: worker of a rank, counted through."""

    number: int
    total: int


class ShardOrder:
    """In which order readers go through images: `shards` holds the positions of each shard."""

    def __init__(self, shards: Sequence[Int64], seed: int) -> None:
        self.shards, self.seed = shards, seed
        self.total = sum(len(shard) for shard in shards)
        if not self.total:
            raise DataError("the shards hold no image to train on")

    def stretch(self, epoch: int, reader: Reader) -> Int64:
        """Return the positions that a reader takes from the shards in an epoch, in reading order."""
        start, stop = self._bounds(epoch, reader)
        order = np.random.default_rng([self.seed, Stream.SHARD_ORDER, epoch]).permutation(
            len(self.shards)
        )
        parts, first = [np.empty(0, np.int64)], 0
        for shard in (self.shards[number] for number in order):
            parts.append(shard[max(0, start - first) : max(0, stop - first)])
            first += len(shard)
        return np.concatenate(parts)

    def from_sample(self, sample: int, reader: Reader) -> Iterator[tuple[int, int]]:
        """Yield epochs from the one that a reader's sample falls into, with what to skip of it."""
        for epoch in count():
            start, stop = self._bounds(epoch, reader)
            if sample < stop - start:
                yield epoch, sample
            sample = max(0, sample - (stop - start))

    def _bounds(self, epoch: int, reader: Reader) -> tuple[int, int]:
        place = (reader.number + epoch) % reader.total
        return place * self.total // reader.total, (place + 1) * self.total // reader.total


def mixed(
    length: int, capacity: int, random: np.random.Generator, skip: int = 0
) -> Iterator[tuple[list[int], int]]:
    """Mix 0, 1, … length - 1 in a buffer: yield those that enter it, rising, and then one that leaves.

    What leaves is any of those in the buffer with equal chance; the next one takes its place. With
    `skip` the first ones are passed over: all that is in the buffer then enters at once.
    """
    slots = list(range(min(capacity, length)))
    ahead, entering = len(slots), list(slots)
    for number, chance in enumerate(random.random(length).tolist()):
        slot = int(chance * len(slots))
        if number == skip:
            entering = sorted(slots)
        if number >= skip:
            yield entering, slots[slot]
        slots[slot], entering = slots[-1], []
        slots.pop()
        if ahead < length:
            slots.append(ahead)
            entering, ahead = [ahead], ahead + 1


class ShardStream(IterableDataset[Batch]):
    """Batches from shards, from a step on and without an end.

    Worker w of W makes every W-th batch of its rank. An image that cannot be decoded gives way to
    another one in the buffer, or of the stretch when that is empty.
    """

    def __init__(self, samples: TrainingSamples, batches: BatchSampler, buffer: int = BUFFER) -> None:
        self.samples, self.batches, self.buffer = samples, batches, buffer
        self.source: ShardedDataset = samples.images.source  # type: ignore[assignment]  # it is asked for
        self.order = ShardOrder(_positions(self.source, samples.images.indices), samples.seed)

    def __iter__(self) -> Iterator[Batch]:
        info, batches = get_worker_info(), self.batches
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        share = batches.batch_size // batches.world
        # The loader always begins with worker 0: the first step says whose part each one goes on with.
        first = batches.start_step + worker
        reader = Reader(batches.rank * workers + first % workers, batches.world * workers)
        images = self.images(reader, first // workers * share)
        for step in count(first, workers):
            number = step * batches.batch_size + batches.rank * share
            taken = zip(range(number, number + share), images, strict=False)
            yield self.samples.collate(
                [self.samples.sample(image, one, place) for one, (place, image) in taken]
            )

    def images(self, reader: Reader, start: int) -> Iterator[tuple[int, UInt8]]:
        """Yield what a reader reads, from its sample `start` on: positions, and images decoded."""
        for epoch, skip in self.order.from_sample(start, reader):
            stretch = self.order.stretch(epoch, reader)
            random = np.random.default_rng(
                [self.samples.seed, Stream.SHARD_MIX, epoch, reader.number, reader.total]
            )
            held: dict[int, tuple[int, bytes | ImageError]] = {}
            for entering, leaving in mixed(len(stretch), self.buffer, random, skip):
                for place in entering:
                    held[place] = int(stretch[place]), self._read(int(stretch[place]))
                others = ((int(one), self._read(int(one))) for one in stretch)
                yield self._decode(chain([held[leaving]], held.values(), others))
                del held[leaving]

    def _read(self, position: int) -> bytes | ImageError:
        try:
            return self.source.read_bytes(self.samples.images.indices[position])
        except ImageError as error:
            return error

    def _decode(self, candidates: Iterable[tuple[int, bytes | ImageError]]) -> tuple[int, UInt8]:
        """Decode the first of some images that can be, and is not skipped; a hundred are tried."""
        images, skipped = self.samples.images, self.samples.skipped
        wanted = (candidate for candidate in candidates if candidate[0] not in skipped)
        reason = "all of them are to be skipped"
        for position, data in islice(wanted, TRIES):
            index = images.indices[position]
            try:
                if isinstance(data, ImageError):
                    raise data
                decode = partial(self.source.decode, index, data)
                return position, at_stored_size(decode, images.stored, images.size)
            except ImageError as error:
                reason = images.lose(position, error)
        raise DataError(f"the images can no longer be read: {reason}")


def _positions(source: ShardedDataset, indices: Sequence[int]) -> list[Int64]:
    """Return, for each shard, which of the chosen images it holds, in file order.

    Raises `DataError` where an image is in no shard, or in two.
    """
    places = np.full(len(source.names), -1, np.int64)
    places[np.asarray(indices, np.int64)] = np.arange(len(indices))
    shards = [places[np.asarray(shard, np.int64)] for shard in source.shards]
    chosen = [shard[shard >= 0] for shard in shards]
    together = np.concatenate(chosen) if chosen else np.empty(0, np.int64)
    if len(together) != len(indices) or len(np.unique(together)) != len(indices):
        raise DataError("the shards do not hold every image exactly once: prepare them anew")
    return chosen


def training_batches(
    samples: TrainingSamples, batches: BatchSampler, workers: int | None
) -> Iterator[Batch]:
    """Return an endless stream of batches; shards that are not kept decoded are read forward.

    `workers` None chooses: none for images that are kept decoded, which take less time than handing
    them from a process to another; otherwise one for each processor, eight at most.
    """
    images = samples.images
    options: dict[str, Any] = {"worker_init_fn": _die_quietly}
    if workers is None:
        workers = 0 if images.cached else min(8, processors())
    loader: DataLoader[Any]
    if not images.cached and hasattr(images.source, "shards"):
        stream = ShardStream(samples, batches)
        loader = DataLoader(stream, batch_size=None, num_workers=workers, **options)
    else:
        options |= {"batch_sampler": batches, "collate_fn": samples.collate}
        loader = DataLoader(cast(Any, samples), num_workers=workers, **options)
    if not workers:
        return iter(loader)
    _check_temporary_folder()
    return _from_workers(iter(loader))


def _check_temporary_folder() -> None:
    """Refuse a folder of temporary files where workers cannot open the sockets they hand batches by."""
    folder = gettempdir()
    if len(os.fsencode(folder)) + _IN_FOLDER > _LONGEST_SOCKET:
        raise RunError(
            f"workers cannot hand images over by way of {folder}, whose name has more than "
            f"{_LONGEST_SOCKET - _IN_FOLDER} bytes: set TMPDIR to a shorter one, or take -s workers=0"
        )


def _from_workers(running: Any) -> Iterator[Batch]:
    """Yield batches; one whose worker dies while it is handed over comes as torch tells of others."""
    try:
        yield from running
    except (ConnectionError, EOFError) as error:
        raise RuntimeError(f"DataLoader worker (pid unknown) hung up: {error}") from None
    finally:
        running._shutdown_workers()  # else its end may be told once more, at any later time


def _die_quietly(_: int) -> None:
    """Have a worker that finds no room in shared memory end, and print nothing: who waits for it tells.

    Otherwise its queue drops the batch, and the run waits for it for ever.
    """
    signal.signal(signal.SIGBUS, signal.SIG_DFL)
    Queue._on_queue_feeder_error = staticmethod(lambda *_: os._exit(1))  # type: ignore[attr-defined]


@contextmanager
def workers_told(how: str) -> Iterator[None]:
    """Say in a line what has ended a worker, and what to do: enlarge /dev/shm, or what `how` says.

    Raises `RunError` for one that was killed or found no shared memory. torch has it raised at any time,
    not only where a batch is waited for. Errors that a worker raised lose its traceback.
    """
    try:
        yield
    except (InpaintlabError, RuntimeError) as error:
        seen = "".join(str(error).strip().splitlines()[-1:])
        if any(sign in str(error) for sign in _ENDED):
            raise RunError(
                f"a worker that reads images has ended ({seen}), as where memory or shared memory runs "
                f"out: enlarge the shared memory in /dev/shm, or {how}"
            ) from None
        if isinstance(error, InpaintlabError) and _OF_WORKER in str(error):
            raise type(error)(seen.partition(": ")[2]) from None
        raise
