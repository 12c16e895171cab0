"""What a run learns of its own limits at its end, from the images that it was trained with."""

import time

from torch import nn

from inpaintlab.checkpoints import Run, load_model, save_model
from inpaintlab.data.loading import TrainingData
from inpaintlab.masks import Mixture
from inpaintlab.progress import say
from inpaintlab.trust import Trust, examples

#: Examples that are learnt from, as a share of the fills of a run: of a long one all.
SHARE = 1 / 40
#: Fewer examples or validation images than this say nothing of limits.
FEWEST_EXAMPLES, FEWEST_VALIDATED = 300, 50
#: Each example is seen so many times by what predicts errors.
_TIMES = 4
#: The share of a run's minutes that is kept for it.
RESERVE = 0.08


def learn_limits(
    run: Run, network: nn.Module, data: TrainingData, mixture: Mixture, fills: int, seed: int
) -> None:
    """Learn what to trust of the weights that a run has kept, and write it beside them.

    `network` is of the kind of the run's, to load the weights into; `fills` says how many holes the
    run has filled. Nothing is done after few of them, or with few images to validate with.
    """
    count = min(examples.LEARNT, int(fills * SHARE))
    if count < FEWEST_EXAMPLES or len(data.val) < FEWEST_VALIDATED:
        return
    start = time.monotonic()
    kept, card = load_model(run.model, network)
    found = Trust.fit(
        kept,
        examples.learning(data.train, mixture, count, seed),
        examples.calibration(data.val, mixture, examples.CALIBRATED),
        steps=_TIMES * -(-count // examples.BATCH),
        seed=seed,
    )
    save_model(run.model, kept.state_dict(), card, found.limits())
    say(f"it knows its limits: learnt from {count} examples in {time.monotonic() - start:.0f} s")
