"""The guards of a run: they look at every step, and act on an alarm."""

from typing import Any

import torch
import torch.distributed
from torch import Tensor

from inpaintlab.data.augment import Batch
from inpaintlab.errors import ImageError, MaskError
from inpaintlab.masks import check_mask
from inpaintlab.progress import say
from inpaintlab.randomness import Stream, stream
from inpaintlab.tensors import check_image
from inpaintlab.training.guards.causes import Laboratory, Verdict, bad_images, find_cause, with_names
from inpaintlab.training.guards.detectors import Alarm, look
from inpaintlab.training.guards.incidents import SHOWN, sheet, write_incident
from inpaintlab.training.guards.signals import OWN, Follower, measure
from inpaintlab.training.guards.snapshots import Snapshots
from inpaintlab.training.objectives import Step
from inpaintlab.training.session import Session

#: So many returns to the same good state, and the run is stopped.
TRIES = 5
#: Steps for which an alarm that was only watched, or changed nothing, is not raised again.
_MUTED = 200
#: Steps after which images that only seemed odd are looked at again.
_RETRY = 50


class Guards:
    """Looks at every step of a session; `act` goes back and mends, `watch` writes down, `off` neither.

    `stopped` is the sentence that says why, once going on makes no sense.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.mode = session, session.settings.guards.name
        self.stopped: str | None = None
        self.follower = Follower(session.state.network)
        self.snapshots = (
            Snapshots(
                session.run,
                session.state.state_dict(),
                session.settings.validate_every,
                writes=session.fabric.is_global_zero,
            )
            if self.mode != "off"
            else None
        )

    def inspect(self, batch: Batch) -> Alarm | None:
        """Look at a batch before its step; where nobody acts, one that is not sound raises an error."""
        try:
            check_image(batch.images)
            check_mask(batch.masks, batch.images)
            message = None
        except (ImageError, MaskError) as error:
            if self.mode != "act":
                raise
            message = str(error)
        return self._alarm_of_all(batch, message)

    def before(self) -> None:
        """Take note of what a step is going to change."""
        if self.mode != "off":
            self.follower.before(self.session.state.step)

    def look(self, step: Step, batch: Batch) -> Alarm | None:
        """Look at the step that was just taken; the same alarm is raised on every device."""
        if self.snapshots is None:
            return None
        state = self.session.state
        signals = measure(step, batch, self.follower, state.step, self.session.fabric)
        state.history.add(state.step, signals)
        self.snapshots.confirm(state.step)
        alarm = look(state.history, state.step)
        muted = alarm and state.step < state.history.muted.get(alarm.kind, -1)
        return None if muted else alarm

    def scalars(self) -> dict[str, float]:
        """Return the newest of the guards' own signals, to be written down with the step's."""
        if self.snapshots is None:
            return {}
        newest = self.session.state.history.latest(1)
        return {name: newest[name][0][1] for name in OWN if name in newest}

    def before_save(self) -> None:
        """Keep the last good state on disk beside the save that is going to be written."""
        if self.snapshots is not None:
            self.snapshots.make_room(self.session.state.step)

    def handle(self, alarm: Alarm, batch: Batch, step: Step | None, rate: float) -> bool:
        """Find the cause of an alarm, write it down and act; return whether the run went back."""
        assert self.snapshots is not None
        session, good = self.session, self.snapshots.good
        verdict: Verdict | None = None
        if session.fabric.is_global_zero:
            with torch.random.fork_rng(devices=[]):
                verdict = find_cause(alarm, Laboratory(session, good, batch, rate))
        verdict = session.fabric.broadcast(verdict)
        session.state.history.hard.clear()
        if verdict is None:
            session.state.history.muted[alarm.kind] = session.state.step + _RETRY
            return False
        names = [session.data.train.name(position) for position in verdict.positions]
        verdict = with_names(verdict, names)
        signals = session.state.history.latest(100)
        if self.mode == "watch":
            action, rolled_back = "none: the guards only watch", False
        else:
            action, rolled_back = self._act(alarm, verdict, good)
        if not rolled_back and alarm.kind != "values":
            muted = _RETRY if alarm.kind == "hard-images" else _MUTED
            session.state.history.muted[alarm.kind] = session.state.step + muted
        if session.fabric.is_global_zero:
            image = self._sheet(verdict, batch, step)
            folder, new = write_incident(session.run, alarm, verdict, action, signals, names, image)
            if new:
                cause = f"cause: {verdict.sentence}. {action}"
                say(f"step {alarm.step}: {alarm.sentence}; {cause} ({folder})")
        return rolled_back

    def _act(self, alarm: Alarm, verdict: Verdict, good: dict[str, Any]) -> tuple[str, bool]:
        """Mend what the verdict names; return what was done, in words, and whether the run went back."""
        state = self.session.state
        names = [self.session.data.train.name(position) for position in verdict.positions]
        state.excluded = sorted({*state.excluded, *names})
        said = [f"{len(verdict.positions)} images are left out"] if verdict.positions else []
        rolled_back = alarm.kind not in ("hard-images", "values")
        if verdict.cause == "unknown" and alarm.kind != "not-finite" and good["step"] in state.rollbacks:
            # Going back has been tried already, and steps go well: then this is how it is.
            return "Nothing is done: going back did not change it, and steps go well", False
        if rolled_back:
            self._roll_back(good)
            said.insert(0, f"Back to step {state.step}")
        if verdict.skip and not verdict.positions:
            state.excluded_steps = sorted({*state.excluded_steps, alarm.step - rolled_back})
            said.append(f"the batch of step {alarm.step} is left out")
        again = state.rollbacks.count(state.step)
        # What was alive in the good state may have died by chance: only a second time is it the rate.
        if verdict.factor != 1 and (verdict.cause != "dead-unit" or again):
            state.rate_factor *= verdict.factor
            said.append(f"the learning rate is {state.rate_factor:.2g} times what was set")
        if verdict.layer and (mended := self._mend(verdict, again)):
            said.append(mended)
        if rolled_back:
            state.rollbacks.append(state.step)
            if state.rollbacks.count(state.step) >= TRIES:
                self.stopped = (
                    f"stopped after {TRIES} returns to step {state.step}: {alarm.sentence}; cause: "
                    f"{verdict.sentence}; every try is in {self.session.run.incidents}"
                )
            self._save()
        words = ", ".join(said) or "nothing was changed"
        return words[0].upper() + words[1:], rolled_back

    def _roll_back(self, good: dict[str, Any]) -> None:
        """Restore the last good state, but for what has been learnt since about data and rate."""
        state = self.session.state
        kept = state.excluded, state.excluded_steps, state.rate_factor, state.rollbacks, state.best
        state.load_state_dict(good)
        state.excluded, state.excluded_steps, state.rate_factor, state.rollbacks, state.best = kept
        assert self.snapshots is not None
        self.snapshots.roll_back()

    def _mend(self, verdict: Verdict, again: int) -> str | None:
        """Give new weights to what is dead in the good state as well."""
        state = self.session.state
        assert verdict.layer is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(self.session.settings.seed, Stream.RESTART, state.step, again))
            if verdict.cause == "discriminator" and verdict.layer in state.objective.learners:
                learner = state.objective.learners[verdict.layer]
                if again:
                    learner.restart()
                learner.ratio *= 0.5
                return "the discriminator learns at half the rate" + (
                    ", from new weights" if again else ""
                )
            # Where it is alive in the good state, going back is enough, or a smaller rate.
            if verdict.cause == "dead-unit" and (verdict.factor == 1 or again > 1):
                state.objective.generator.restart(verdict.layer)
                return f"layer {verdict.layer} begins with new weights"
        return None

    def _save(self) -> None:
        session = self.session
        if session.fabric.is_global_zero:
            session.state.save(session.run, session.budget.elapsed)

    def _alarm_of_all(self, batch: Batch, message: str | None) -> Alarm | None:
        """Return the same alarm on every device if a batch of any of them is not sound."""
        places = bad_images(batch) if message else []
        found = [(message, batch.positions[places].tolist(), len(places), len(batch.images))]
        world = self.session.fabric.world_size
        if world > 1 and self.mode == "act":
            everywhere: list[Any] = [None] * world
            torch.distributed.all_gather_object(everywhere, found[0])
            found = everywhere
        messages = [message for message, *_ in found if message]
        if not messages:
            return None
        bad, total = sum(n for *_, n, _ in found), sum(n for *_, n in found)
        step = self.session.state.step
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
        images = self.session.data.train
        image = torch.cat([images.squares(position, position + 1) for position in positions])
        mask = masks.repeat(-(-len(image) // len(masks)), 1, 1, 1)[: len(image)]
        network = self.session.state.averaged.module
        return sheet(image, mask, network(*self.session.fabric.to_device((image, mask))))
