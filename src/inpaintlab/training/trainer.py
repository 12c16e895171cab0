"""The trainer: objects in, a run out, and one loop to read from top to bottom."""

import copy
import gc
import math
import time
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack, cast

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from inpaintlab.checkpoints import ModelCard, Run, save_model, save_state
from inpaintlab.data.augment import Batch
from inpaintlab.data.loading import TrainingData, kept_bytes, open_training_data
from inpaintlab.data.sampling import BatchSampler, TrainingSamples
from inpaintlab.data.sources import open_dataset
from inpaintlab.data.storage import Cache
from inpaintlab.data.streaming import training_batches
from inpaintlab.errors import RunError, RunOverError
from inpaintlab.layers.batch_norm import small_batch_warning
from inpaintlab.masks import FrozenMasks, check_mask
from inpaintlab.networks import Network, adopt, check_network, check_size
from inpaintlab.progress import say
from inpaintlab.randomness import MASK_SEED, Stream, stream
from inpaintlab.tensors import check_image
from inpaintlab.training.callbacks import Callbacks
from inpaintlab.training.launch import launch
from inpaintlab.training.limits import RESERVE, learn_limits
from inpaintlab.training.memory import Memory, check_memory, free_bytes, predict
from inpaintlab.training.objectives import LossFunction, Objective, Optimisation, Step, as_objective
from inpaintlab.training.options import Options, describe, make_augmentation, make_masks
from inpaintlab.training.rate import suggest_rate
from inpaintlab.training.record import with_usual
from inpaintlab.training.run_folder import (
    TrainedRun,
    claim_folder,
    free_where_refused,
    kept_best,
    load_saved,
    model_card,
    record_data,
    resumable,
    write_recipe,
)
from inpaintlab.training.schedule import DEFAULT_MINUTES, Budget, learning_rate
from inpaintlab.training.stop import StopSignal
from inpaintlab.training.validation import Validation
from inpaintlab.training.weights import give_weights, moving_average

#: What the state of a run holds.
_PARTS = ("averaged", "objective", "callbacks")
_VALUES = ("step", "best", "rate_factor", "excluded")


class Trainer:
    """Trains a network on images.

    `network` is any module called as `module(image, mask)`. `objective` is an `Objective`, or a function
    `(output, image, mask)` that returns a loss, or named scalars with `loss` among them. `data` is what
    `open_dataset` takes. `callbacks` are told of everything (see `Callback`); where there is no
    `Recorder` or `Console` among them, the usual ones are added. `output` is the run folder, by default
    a new one under `runs/`. The options are the settings of `inpaint train`, with their defaults.

    Raises an `InpaintlabError` before the first step for everything that can be known before it.
    """

    # What comes into being when a run is opened.
    run: Run
    fabric: Fabric
    budget: Budget
    data: TrainingData
    validation: Validation
    averaged: AveragedModel
    batch: Batch
    progress: float
    rate: float

    def __init__(
        self,
        network: nn.Module,
        objective: Objective | LossFunction,
        data: Any,
        *,
        callbacks: Iterable[Any] = (),
        output: Path | str | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.network, self.objective = adopt(network), as_objective(objective)
        self.fresh_objective = copy.deepcopy(self.objective)  # for experiments, before it is set up
        self.source = open_dataset(data, fold=options.get("fold"), folds=options.get("folds"))
        self.settings = describe(network, objective, data, options)
        self.mixture = make_masks(options.get("masks"), self.settings)
        self.augmentation = make_augmentation(options.get("augment"), self.settings)
        self.callbacks = Callbacks(with_usual(callbacks))
        self.output = None if output is None else Path(output)
        self.step, self.best, self.rate_factor, self.level = 0, -math.inf, 1.0, 1.0
        self.excluded: list[str] = []
        self.stopped: str | None = None
        self.improved = False
        self._batches: Iterator[Batch] | None = None

    def fit(
        self, *, steps: int | None = None, minutes: float | None = None, resume: bool = False
    ) -> TrainedRun:
        """Train for a number of steps or minutes (10 where neither is given), and return the run.

        With `resume` the run in `output` goes on where its last save left it, bit by bit as if it had
        never stopped. Raises `RunError` for a folder that is taken or cannot be resumed, and for a
        trainer whose weights have learnt in a run before.
        """
        clock = time.monotonic()
        if self.step and not resume:
            raise RunError(
                f"this trainer has taken {self.step} steps already: go on with fit(resume=True), or "
                "make a new one for a new run"
            )
        self.launch()
        memory = self.check()
        if self.fabric.is_global_zero:
            say(str(memory))
            share = self.settings.batch_size // self.fabric.world_size
            if warning := small_batch_warning(self.network, share):
                say(f"warning: {warning}")
        self.run = claim_folder(self.output, self.settings, self.fabric, resume=resume)
        # The next `fit(resume=True)` finds it, also where the name was chosen here.
        self.output = self.run.folder
        budget = Budget(steps, minutes or (None if steps else DEFAULT_MINUTES), clock)
        with free_where_refused(self.run, resume=resume):
            self.open(budget, resume=resume)
        with resumable(self.run):
            if self.fabric.is_global_zero:
                record_data(self.run, self.settings.data, self.data, self.validation.masks)
            if self.settings.learning_rate == "auto":
                self._find_rate()
            interrupted = self._take_steps()
            if not interrupted and self.settings.trust and self.fabric.is_global_zero:
                self._learn_limits()
            return self._ended(interrupted)

    def _take_steps(self) -> bool:
        """Train, validate and save until the budget is spent; return whether it was interrupted."""
        saved, interrupted = -1, False
        with StopSignal() as signal, self._told():
            while self.stopped is None:
                # All devices must agree on when to stop; one of them passes the values through.
                asked = (self.budget.progress(self.step), signal.requested)
                self.progress, interrupted = self.fabric.broadcast(asked)
                if self.progress >= 1 or interrupted:
                    break
                self.callbacks.tell("before_batch", self)
                self.batch = next(self.batches)
                if not self.callbacks.tell("on_batch", self, self.batch):
                    continue
                check_image(self.batch.images)
                check_mask(self.batch.masks, self.batch.images)
                step = self.take_step(self.batch)
                if step.places is not None:
                    self.batch = self.batch.at(step.places)
                self.step += 1
                if not self.callbacks.tell("on_step", self, step):
                    continue
                if self.step % self.settings.validate_every == 0:
                    self.validate()
                    self.save()
                    saved = self.step
            if self.step != saved:
                if not interrupted:
                    self.validate()
                self.save()
        return interrupted

    def take_step(self, batch: Batch) -> Step:
        """Take one step of the objective and of the average."""
        settings = self.settings
        peak = cast(float, settings.learning_rate)  # found by now
        self.rate = learning_rate(self.progress, peak, settings.warmup_fraction) * self.rate_factor
        # What is random in a step depends on the seed and its number, so that it comes again when the
        # step is taken again.
        torch.manual_seed(stream(settings.seed, Stream.STEP, self.step, self.fabric.global_rank))
        image, mask = self.fabric.to_device((batch.images, batch.masks))
        step = self.objective.step(image, mask, self.rate, self.progress)
        self.averaged.update_parameters(self.network)
        return step

    @property
    def batches(self) -> Iterator[Batch]:
        """The batches of this run from its present step on, at its present level, without an end."""
        if self._batches is None:
            self._batches = self.batches_from(self.step)
        return self._batches

    def batches_from(self, step: int) -> Iterator[Batch]:
        """Return the batches from any step on, at the present level and without excluded images."""
        settings, fabric = self.settings, self.fabric
        excluded = self.data.train.positions(self.excluded)
        samples = self.samples(self.mixture.at(self.level), excluded)
        sampler = BatchSampler(settings.batch_size, step, fabric.global_rank, fabric.world_size)
        return training_batches(samples, sampler, settings.workers)

    def samples(self, mixture: Any = None, excluded: Container[int] = ()) -> TrainingSamples:
        """Return the training samples, by number."""
        mixture = self.mixture if mixture is None else mixture
        return TrainingSamples(self.data.train, mixture, self.settings.seed, self.augmentation, excluded)

    def restart_batches(self) -> None:
        """Begin the stream of batches anew at the present step, as the level or the images changed."""
        self._batches = None  # the workers of before end first

    def set_level(self, level: float) -> None:
        """Go on with holes of a level from 0 to 1."""
        if level != self.level:
            self.level = level
            self.restart_batches()

    def stop(self, reason: str) -> None:
        """End the run after this step; the sentence is printed and kept."""
        self.stopped = reason

    def rollback(self, state: dict[str, Any], keep: Iterable[str] = ()) -> None:
        """Go back to an earlier state, but for the values named in `keep`; callbacks are told."""
        kept = {name: getattr(self, name) for name in keep}
        self.load_state_dict(state)
        vars(self).update(kept)
        self.restart_batches()
        self.callbacks.tell("on_rollback", self)

    def validate(self) -> None:
        """Measure the averaged weights; keep them as the model if they are the best so far."""
        if not self.fabric.is_global_zero:
            return
        start = time.monotonic()
        scalars = self.validation.run(self.average, self.objective, self.fabric.device)
        # By the same rule a resumed run decides as the one before did.
        self.improved = self.objective.improves(scalars["hole_psnr"], self.best, self.progress)
        self.callbacks.tell("on_validation", self, scalars)
        if self.improved:
            self.best = scalars["hole_psnr"]
            save_model(self.run.model, self.average.state_dict(), self._card(self.best))
        # The end takes one more validation and two more files; half as much again for good measure.
        self.budget.reserve = 1.5 * (time.monotonic() - start)
        if self.settings.trust and self.budget.minutes:
            self.budget.reserve += RESERVE * 60 * self.budget.minutes

    def save(self) -> None:
        """Write the newest weights and what resuming needs."""
        self.callbacks.tell("on_save", self)
        if not self.fabric.is_global_zero:
            return
        weights = self.average.state_dict()
        save_model(self.run.last, weights, self._card(None))
        if not self.run.model.exists():  # the run stopped before its first validation
            save_model(self.run.model, weights, self._card(None))
        self.save_state()

    def save_state(self) -> None:
        """Write what resuming needs, with the seconds that the run has taken."""
        save_state(self.run.state, self.state_dict() | {"elapsed": self.budget.elapsed})

    @property
    def average(self) -> nn.Module:
        """The averaged network, in evaluation."""
        return self.averaged.module

    def scalars(self) -> dict[str, float]:
        """Return the learning rate, and the numbers of all callbacks."""
        return {"learning_rate": self.rate, **self.callbacks.scalars()}

    def examples(self) -> Tensor:
        """Return validation images `[3 × N, 3, H, W]`: damaged, filled, truth."""
        return self.validation.grid(self.average, self.fabric.device)

    def yardsticks(self) -> dict[str, float]:
        """Return the hole PSNR of what learns nothing, on the images and holes of validation, in dB."""
        return self.validation.yardsticks()

    def measure(self, level: float) -> dict[str, float]:
        """Return figures of the averaged network on a few validation images with holes of a level."""
        return self.validation.at(level).run(self.average, self.objective, self.fabric.device)

    def state_dict(self) -> dict[str, Any]:
        """Return all that training changes, tensors not copied."""
        state = {name: getattr(self, name).state_dict() for name in _PARTS}
        return state | {name: getattr(self, name) for name in _VALUES}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a copy of what `state_dict` returned."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(copy.deepcopy(state[name]))
        # The best weights stay on the disk, whatever a run goes back to.
        values = {name: copy.copy(state[name]) for name in _VALUES}
        vars(self).update(values | {"best": max(self.best, values["best"])})

    def launch(self) -> None:
        """Start the processes of the run; with several devices every process comes back from here."""
        self.fabric = launch(self.settings)

    def check(self) -> Memory:
        """Raise for what cannot work: the network's size, the objective, the batch and the memory.

        Return the memory that one process of the run will take.
        """
        settings, device = self.settings, self.fabric.device
        check_size(self.network, settings.size, settings.size)
        if not isinstance(self.network, Network):
            check_network(self.network, settings.size)
        self.objective.check(self.network, settings.size)
        stored = self.augmentation.stored_size(settings.size)
        images = kept_bytes(self.source, settings.size, stored, self._cache)
        share = settings.batch_size // self.fabric.world_size
        memory = predict(
            self.network,
            settings.size,
            share,
            objective=self.objective,
            images=images,
            workers=settings.workers or 0,
        )
        on_cpu = device.type == "cpu"  # elsewhere images and workers stay in the memory of the machine
        taken = memory if on_cpu else replace(memory, images=0, workers=0)
        free = free_bytes(device) // (self.fabric.world_size if on_cpu else 1)
        check_memory(taken, self.network, settings.size, share, free, self.objective)
        return memory

    def open(self, budget: Budget, *, resume: bool = False) -> None:
        """Read the images, set up networks and optimisers, and restore what an earlier session saved.

        Nothing is written. Raises `RunOverError` for a run whose budget is spent.
        """
        settings, size = self.settings, self.settings.size
        self.budget, self.progress, self.stopped = budget, 0.0, None
        self.restart_batches()
        self.data = open_training_data(
            self.source,
            size,
            settings.max_bad_fraction,
            stored=self.augmentation.stored_size(size),
            cache=self._cache,
        )
        count = min(len(self.data.val), settings.validation_images)
        frozen = FrozenMasks(self.mixture, size, count, MASK_SEED)
        self.validation = Validation(self.data.val, frozen, settings.batch_size)
        saved = load_saved(self.run, settings.validate_every) if resume else None
        if not saved:
            give_weights(self.network, settings.initialise, settings.seed, self.samples())
        optimisation = Optimisation(settings.weight_decay, settings.grad_clip)
        self.objective.attach(self.fabric, self.network, optimisation)
        averaging = moving_average(settings.ema_decay)
        self.averaged = AveragedModel(self.network, multi_avg_fn=averaging, use_buffers=True).eval()
        if saved:
            self._restore(saved)
        if resume:
            self.best = max(self.best, kept_best(self.run, self.data, self.validation.masks))
        if budget.progress(self.step) >= 1:
            raise RunOverError(
                f"{self.run.folder} is over after {self.step} steps: give more --steps or --minutes"
            )

    @property
    def _cache(self) -> Cache:
        return Cache(self.settings.cache, self.settings.cache_dir)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell callbacks of the start, and of the end whatever happens."""
        try:
            self.callbacks.tell("on_start", self)
            yield
        finally:
            self.callbacks.tell_all("on_end", self)

    def _find_rate(self) -> None:
        """Find the learning rate by a test, say it, and write it into the recipe."""
        rate, reason = suggest_rate(self)
        self.settings = self.settings.model_copy(update={"learning_rate": rate})
        if self.fabric.is_global_zero:
            write_recipe(self.run, self.settings)
            say(f"learning rate {rate:g}: {reason}")

    def _restore(self, saved: dict[str, Any]) -> None:
        try:
            self.load_state_dict(saved)
        except (KeyError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise RunError(
                f"{self.run.state} is of another run, or of another version of inpaintlab ({reason}): "
                "start a new run, or resume with that version"
            ) from None
        self.budget.spent += saved["elapsed"]

    def _learn_limits(self) -> None:
        """Learn what to trust of the weights that were kept; it takes part of the run's minutes."""
        fills, network = self.step * self.settings.batch_size, copy.deepcopy(self.average).cpu()
        learn_limits(self.run, network, self.data, self.mixture, fills, self.settings.seed)

    def _card(self, best: float | None) -> ModelCard:
        """Return the card of the present weights."""
        return model_card(self.settings, self.data, self.validation.masks, self.step, best)

    def _ended(self, interrupted: bool) -> TrainedRun:
        best = self.fabric.broadcast(self.best)  # the first device alone validates
        if torch.distributed.is_initialized():  # its threads would abort the process at exit
            for learner in self.objective.learners.values():
                learner.release()
            gc.collect()  # wrappers stand in circles
            torch.distributed.destroy_process_group()
        seconds, trained = self.budget.elapsed, self.network
        return TrainedRun(self.run.folder, self.step, best, seconds, interrupted, self.stopped, trained)
