"""Train an image-inpainting network on your own images, know whether to trust it, and use it."""

from importlib.metadata import version as _version

import lazy_loader as _lazy

# Names are imported when first used: `import inpaintlab` must not take the seconds that torch takes.
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

__version__ = _version("inpaintlab")
