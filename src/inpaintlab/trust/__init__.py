"""Whether to trust a fill: how unlike training images an image is, and how wrong a fill may be."""

from inpaintlab.trust.examples import examples_of
from inpaintlab.trust.heat import heat_map
from inpaintlab.trust.hidden import SelfTest, self_test
from inpaintlab.trust.intervals import Intervals
from inpaintlab.trust.novelty import Novelty
from inpaintlab.trust.seen import Examples, Method, Seen
from inpaintlab.trust.stated import Stated
from inpaintlab.trust.trust import Trust
from inpaintlab.trust.uncertainty import Expected, Uncertainty

__all__ = [
    "Examples",
    "Expected",
    "Intervals",
    "Method",
    "Novelty",
    "Seen",
    "SelfTest",
    "Stated",
    "Trust",
    "Uncertainty",
    "examples_of",
    "heat_map",
    "self_test",
]
