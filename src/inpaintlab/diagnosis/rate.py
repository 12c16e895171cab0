"""Whether the learning rate of a run suits its network, by the range test of training."""

from dataclasses import asdict

from inpaintlab import networks
from inpaintlab.diagnosis import drawings
from inpaintlab.diagnosis.result import Verdict, Word
from inpaintlab.settings import CheckSettings
from inpaintlab.training.rate import HIGHEST, RateTest, find_rate, reason
from inpaintlab.training.trainer import Trainer

#: A run's rate more than so many times the suggestion, or so many times below it, is a note.
_FAR = 5.0


def rate(trainer: Trainer, settings: CheckSettings) -> Verdict:
    """Run the range test and compare the run's own rate with what it says."""
    return judge(find_rate(trainer, settings.rate_steps, settings.seconds), settings)


def judge(test: RateTest, settings: CheckSettings) -> Verdict:
    """Compare a run's rate with a range test."""
    own = networks.learning_rate_of(settings.network.name)
    auto = settings.learning_rate == "auto"
    used = (test.suggestion or own) if auto else float(settings.learning_rate or own)
    figures = asdict(test) | {"used": used, "auto": auto}

    def verdict(word: Word, text: str, advice: str = "") -> Verdict:
        drawn = drawings.rate_curve(test, used)
        return Verdict("learning rate", word, text, advice, figures, blocks=drawn)

    limit = test.divergence or HIGHEST
    diverges = f"diverges at {limit:.2g}" if test.divergence else "does not diverge up to 1"
    tried = f"({len(test.rates)} steps of {test.images} images)"
    rough = test.images < settings.batch_size // settings.devices
    if rough:
        tried = f"{tried[:-1]}, as steps are slow: rough, -s seconds={4 * settings.seconds:g} is better)"
    if test.suggestion is None:
        text = f"the loss falls at no rate from {test.rates[0]:.0e} to {test.rates[-1]:.0e} {tried}"
        advice = "look at the parts activations and capacity first"
        return verdict("finding", text, advice)
    text = (
        f"suggested {test.suggestion:g} ({reason(test)}), training {diverges} {tried}; "
        f"the run takes {used:g}"
    )
    advice = f"--lr {test.suggestion:g}"
    if used >= limit:
        return verdict("finding", f"far too high: {text}", advice)
    if rough:  # smaller batches bear smaller rates: no ground to call the run's unfit
        return verdict("ok", text)
    if used > _FAR * test.suggestion:
        return verdict("note", f"rather high: {text}", advice)
    if used < test.suggestion / _FAR**2:
        return verdict("finding", f"far too low: {text}", advice)
    if used < test.suggestion / _FAR:
        return verdict("note", f"rather low: {text}", advice)
    return verdict("ok", text)
