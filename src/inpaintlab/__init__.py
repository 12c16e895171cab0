"""Train an image-inpainting network on your own pictures, know whether to trust it, and use it."""

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inpaintlab.configs import EvaluateSettings, TrainSettings
    from inpaintlab.errors import InpaintlabError
    from inpaintlab.evaluation.evaluate import evaluate
    from inpaintlab.inpainter import Inpainter
    from inpaintlab.networks import create
    from inpaintlab.training import TrainResult, resume, train

# Imported when first used: `import inpaintlab` must not take the seconds that torch takes.
_PLACES = {
    "EvaluateSettings": "configs",
    "InpaintlabError": "errors",
    "Inpainter": "inpainter",
    "TrainResult": "training",
    "TrainSettings": "configs",
    "create": "networks",
    "evaluate": "evaluation.evaluate",
    "resume": "training",
    "train": "training",
}

__version__ = _version("inpaintlab")
__all__ = [
    "EvaluateSettings",
    "Inpainter",
    "InpaintlabError",
    "TrainResult",
    "TrainSettings",
    "__version__",
    "create",
    "evaluate",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'inpaintlab' has no attribute {name!r}")
    return getattr(import_module(f"inpaintlab.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
