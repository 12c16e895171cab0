"""Every error that a user can cause and mend, on one page.

The command line prints the message on one line and ends with exit code 2; from Python they are
ordinary exceptions with one common base::

    InpaintlabError
    ├── SettingError         a setting is unknown, of the wrong kind or out of range
    ├── DataError            a folder of images cannot be used as asked
    ├── ImageError           one image, file or array cannot be used
    ├── MaskError            one mask cannot be used
    ├── SizeError            a network cannot take images of this size
    ├── NetworkError         a module cannot be used as a network
    ├── MemoryLimitError     the run would not fit into the memory of this machine
    ├── RunError             a run folder or a file of weights cannot be used as asked
    │   └── RunOverError     a run has done all that it was to do
    ├── TrustError           a model is not to be trusted with an image, and was asked to refuse such
    ├── FeaturesError        weights of a feature network cannot be had, or are not the right ones
    └── OutputError          a file cannot be written
        └── FullDiskError    the disk is full
"""

from collections.abc import Iterable
from difflib import get_close_matches


class InpaintlabError(Exception):
    """Base of all errors that name a cure."""


class SettingError(InpaintlabError):
    """A setting is unknown, of the wrong kind or out of range."""


class DataError(InpaintlabError):
    """A folder of images cannot be used as asked."""


class ImageError(InpaintlabError):
    """One image, file or array cannot be used; `finding` is the kind of trouble in one word."""

    def __init__(self, message: str, finding: str = "unreadable") -> None:
        super().__init__(message)
        self.finding = finding


class MaskError(InpaintlabError):
    """One mask cannot be used."""


class SizeError(InpaintlabError):
    """A network cannot take images of this size."""


class NetworkError(InpaintlabError):
    """A module cannot be used as a network."""


class MemoryLimitError(InpaintlabError):
    """The run would not fit into the memory of this machine."""


class RunError(InpaintlabError):
    """A run folder or a file of weights cannot be used as asked."""


class RunOverError(RunError):
    """A run has done all that it was to do: there is nothing to go on with."""


class TrustError(InpaintlabError):
    """A model is not to be trusted with an image, and was asked to refuse such."""


class FeaturesError(InpaintlabError):
    """Weights of a feature network cannot be had, or are not the right ones."""


class OutputError(InpaintlabError):
    """A file cannot be written."""


class FullDiskError(OutputError):
    """The disk is full; `cure` says how to go on once there is room."""

    def __init__(self, message: str, cure: str = "run it again") -> None:
        super().__init__(message)
        self.cure = cure

    def __str__(self) -> str:
        return f"{super().__str__()}; make room, then {self.cure}"


def near_miss(word: str, allowed: Iterable[str]) -> str:
    """Return `, did you mean 'X'?` for the nearest allowed word, or the list of allowed words.

    >>> near_miss("widht", ["width", "depth"])
    ", did you mean 'width'?"
    >>> near_miss("colour", ["width", "depth"])
    '; there are: depth, width'
    """
    names = sorted(allowed)
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f", did you mean {close[0]!r}?"
    return f"; there are: {', '.join(names)}" if names else "; it takes none"
