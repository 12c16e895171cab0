"""The guards of a run: they look at every step, and act on an alarm."""

from typing import Any

import torch
import torch.distributed
from torch import Tensor

from inpaintlab.data.augment import Batch
from inpaintlab.errors import ImageError, MaskError, SettingError
from inpaintlab.masks import check_mask
from inpaintlab.progress import say
from inpaintlab.randomness import Stream, stream
from inpaintlab.tensors import check_image
from inpaintlab.training.guards.causes import Laboratory, Verdict, bad_images, find_cause, with_names
from inpaintlab.training.guards.detectors import Alarm, History, look
from inpaintlab.training.guards.incidents import SHOWN, sheet, write_incident
from inpaintlab.training.guards.signals import OWN, Follower, measure
from inpaintlab.training.guards.snapshots import Snapshots
from inpaintlab.training.objectives import Step
from inpaintlab.training.trainer import Trainer

#: So many returns to the same good state, and the run is stopped.
TRIES = 5
#: Steps for which an alarm that was only watched, or changed nothing, is not raised again.
_MUTED = 200
#: Steps after which images that only seemed odd are looked at again.
_RETRY = 50
#: What guards have learnt about data and rate, which outlives a rollback; and what a resumed run needs.
_LEARNT = ("excluded_steps", "rollbacks", "reported")
_STATE = (*_LEARNT, "level")


class Guards:
    """Look at every step, find out why a run goes wrong, go back and mend it.

    With `mode` "watch" they only write down what they see. Odd images are reported; with `drop` they are
    left out of training, too. Images that break a convention are always left out.
    """

    def __init__(self, mode: str = "act", *, drop: bool = False) -> None:
        if mode not in ("act", "watch"):
            raise SettingError(f"guards act or watch, got {mode!r}")
        self.mode, self.drop = mode, drop
        self.history = History()
        self.excluded_steps: list[int] = []
        self.rollbacks: list[int] = []
        self.reported: list[str] = []
        self.level = 1.0

    def on_start(self, trainer: Trainer) -> None:
        """Take the first good state."""
        self.trainer = trainer
        self.follower = Follower(trainer.network)
        writes = trainer.fabric.is_global_zero
        every = trainer.settings.validate_every
        self.snapshots = Snapshots(trainer.run, trainer.state_dict(), every, writes=writes)

    def before_batch(self, trainer: Trainer) -> None:
        """Forget what is usual where holes grow."""
        if trainer.level != self.level:
            if trainer.level > self.level:
                self.history.forget()
            self.level = trainer.level

    def on_batch(self, trainer: Trainer, batch: Batch) -> bool:
        """Leave out a step whose batch is known to be at fault, and images that are none."""
        if trainer.step in self.excluded_steps:
            trainer.step += 1
            return False
        if alarm := self._inspect(batch):
            self._handle(alarm, batch, None)
            trainer.restart_batches()
            return False
        self.follower.before(trainer.step)
        return True

    def on_step(self, trainer: Trainer, step: Step) -> bool:
        """Look at the step that was just taken; False where the run went back to before it."""
        batch = trainer.batch
        signals = measure(step, batch, self.follower, trainer.step, trainer.fabric)
        self.history.add(trainer.step, signals)
        self.snapshots.confirm(trainer.step)
        alarm = look(self.history, trainer.step)
        if not alarm or trainer.step < self.history.muted.get(alarm.kind, -1):
            return True
        rolled_back = self._handle(alarm, batch, step)
        trainer.restart_batches()
        return not rolled_back

    def scalars(self) -> dict[str, float]:
        """Return the newest of the guards' own signals, to be written down with the step's."""
        newest = self.history.latest(1)
        return {name: newest[name][0][1] for name in OWN if name in newest}

    def on_save(self, trainer: Trainer) -> None:
        """Keep the last good state on disk beside the save that is going to be written."""
        self.snapshots.make_room(trainer.step)

    def state_dict(self) -> dict[str, Any]:
        """Return what the guards have seen and done."""
        return {"history": self.history.state_dict()} | {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.history.load_state_dict(state["history"])
        vars(self).update({name: state[name] for name in _STATE})

    def _inspect(self, batch: Batch) -> Alarm | None:
        """Look at a batch before its step, where the guards may act on it."""
        if self.mode != "act":
            return None  # the trainer refuses it
        try:
            check_image(batch.images)
            check_mask(batch.masks, batch.images)
            return self._alarm_of_all(batch, None)
        except (ImageError, MaskError) as error:
            return self._alarm_of_all(batch, str(error))

    def _handle(self, alarm: Alarm, batch: Batch, step: Step | None) -> bool:
        """Find the cause of an alarm, write it down and act; return whether the run went back."""
        trainer, good = self.trainer, self.snapshots.good
        verdict: Verdict | None = None
        if trainer.fabric.is_global_zero:
            with torch.random.fork_rng(devices=[]):
                verdict = find_cause(alarm, Laboratory(trainer, good, batch, trainer.rate))
        verdict = trainer.fabric.broadcast(verdict)
        self.history.hard.clear()
        names = [trainer.data.train.name(position) for position in verdict.positions] if verdict else []
        if verdict is None or (alarm.kind == "hard-images" and set(names) <= set(self.reported)):
            self.history.muted[alarm.kind] = trainer.step + _RETRY
            return False
        self.reported = sorted({*self.reported, *names})
        verdict = with_names(verdict, names)
        signals = self.history.latest(100)
        action, rolled_back = "none: the guards only watch", False
        if self.mode == "act":
            action, rolled_back = self._act(alarm, verdict, good)
        if not rolled_back and alarm.kind != "values":
            muted = _RETRY if alarm.kind == "hard-images" else _MUTED
            self.history.muted[alarm.kind] = trainer.step + muted
        if trainer.fabric.is_global_zero:
            image = self._sheet(verdict, batch, step)
            folder, new = write_incident(trainer.run, alarm, verdict, action, signals, names, image)
            if new:
                cause = f"cause: {verdict.sentence}. {action}"
                say(f"step {alarm.step}: {alarm.sentence}; {cause} ({folder})")
        return rolled_back

    def _act(self, alarm: Alarm, verdict: Verdict, good: dict[str, Any]) -> tuple[str, bool]:
        """Mend what the verdict names; return what was done, in words, and whether the run went back."""
        trainer = self.trainer
        # Images that break a convention cannot be learnt from; odd ones are the user's to judge.
        excludes = bool(verdict.positions) and (self.drop or alarm.kind == "values")
        said = []
        if excludes:
            names = [trainer.data.train.name(position) for position in verdict.positions]
            trainer.excluded = sorted({*trainer.excluded, *names})
            said.append(f"{len(verdict.positions)} images are left out")
        elif alarm.kind == "hard-images":
            return "They stay in training; -s guards.drop=true leaves such images out", False
        rolled_back = alarm.kind not in ("hard-images", "values")
        if verdict.cause == "unknown" and alarm.kind != "not-finite" and good["step"] in self.rollbacks:
            # Going back has been tried already, and steps go well: then this is how it is.
            return "Nothing is done: going back did not change it, and steps go well", False
        if rolled_back:
            self._roll_back(good)
            said.insert(0, f"Back to step {trainer.step}")
        if verdict.skip and not excludes:
            self.excluded_steps = sorted({*self.excluded_steps, alarm.step - rolled_back})
            said.append(f"the batch of step {alarm.step} is left out")
        again = self.rollbacks.count(trainer.step)
        # What was alive in the good state may have died by chance: only a second time is it the rate.
        if verdict.factor != 1 and (verdict.cause != "dead-unit" or again):
            trainer.rate_factor *= verdict.factor
            said.append(f"the learning rate is {trainer.rate_factor:.2g} times what was set")
        if verdict.layer and (mended := self._mend(verdict, again)):
            said.append(mended)
        if rolled_back:
            self._count_rollback(alarm, verdict)
        words = ", ".join(said) or "nothing was changed"
        return words[0].upper() + words[1:], rolled_back

    def _roll_back(self, good: dict[str, Any]) -> None:
        """Restore the last good state, but for what has been learnt since about data and rate."""
        kept = {name: getattr(self, name) for name in _LEARNT}
        self.trainer.rollback(good, keep=("excluded", "rate_factor", "best"))
        vars(self).update(kept)
        self.snapshots.roll_back()

    def _count_rollback(self, alarm: Alarm, verdict: Verdict) -> None:
        """Write the state that a run went back to; after several returns to one, end the run."""
        trainer = self.trainer
        self.rollbacks = [*self.rollbacks, trainer.step]
        if self.rollbacks.count(trainer.step) >= TRIES:
            trainer.stop(
                f"stopped after {TRIES} returns to step {trainer.step}: {alarm.sentence}; cause: "
                f"{verdict.sentence}; every try is in {trainer.run.incidents}"
            )
        if trainer.fabric.is_global_zero:
            trainer.save_state()

    def _mend(self, verdict: Verdict, again: int) -> str | None:
        """Give new weights to what is dead in the good state as well."""
        objective = self.trainer.objective
        assert verdict.layer is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(
                stream(self.trainer.settings.seed, Stream.RESTART, self.trainer.step, again)
            )
            if verdict.cause == "discriminator" and verdict.layer in objective.learners:
                learner = objective.learners[verdict.layer]
                if again:
                    learner.restart()
                learner.ratio *= 0.5
                return "the discriminator learns at half the rate" + (
                    ", from new weights" if again else ""
                )
            # Where it is alive in the good state, going back is enough, or a smaller rate.
            if verdict.cause == "dead-unit" and (verdict.factor == 1 or again > 1):
                objective.generator.restart(verdict.layer)
                return f"layer {verdict.layer} begins with new weights"
        return None

    def _alarm_of_all(self, batch: Batch, message: str | None) -> Alarm | None:
        """Return the same alarm on every device if a batch of any of them is not sound."""
        places = bad_images(batch) if message else []
        found = [(message, batch.positions[places].tolist(), len(places), len(batch.images))]
        world = self.trainer.fabric.world_size
        if world > 1 and self.mode == "act":
            everywhere: list[Any] = [None] * world
            torch.distributed.all_gather_object(everywhere, found[0])
            found = everywhere
        messages = [message for message, *_ in found if message]
        if not messages:
            return None
        bad, total = sum(n for *_, n, _ in found), sum(n for *_, n in found)
        step = self.trainer.step
        sentence = f"{bad} of {total} images of a batch are no images: {messages[0]}"
        positions = sorted(position for _, places, *_ in found for position in places)
        return Alarm("values", step, step, sentence, positions)

    def _sheet(self, verdict: Verdict, batch: Batch, step: Step | None) -> Tensor:
        """Return an image of what an incident is about: the images it names, or else the batch."""
        if verdict.positions and not verdict.skip:
            return self._stored(verdict.positions[:SHOWN], batch.masks)
        output = batch.images if step is None else step.output
        named = [place for place, p in enumerate(batch.positions.tolist()) if p in verdict.positions]
        chosen = named or list(range(len(batch.images)))
        return sheet(batch.images[chosen], batch.masks[chosen], output[chosen])

    @torch.no_grad()
    def _stored(self, positions: list[int], masks: Tensor) -> Tensor:
        """Return an image of images as they are stored, filled by the averaged weights."""
        images = self.trainer.data.train
        image = torch.cat([images.squares(position, position + 1) for position in positions])
        mask = masks.repeat(-(-len(image) // len(masks)), 1, 1, 1)[: len(image)]
        network = self.trainer.average
        return sheet(image, mask, network(*self.trainer.fabric.to_device((image, mask))))
