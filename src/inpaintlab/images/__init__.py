"""Image files: the only place that knows decoders, EXIF, alpha, grey and CMYK. Free of torch.

A decoded file is a `DecodedImage`: its pixels as they are stored (upright), so that known pixels can be
written back bit by bit. What networks work on is in `tensors`.
"""

from inpaintlab.images.decoding import MAX_PIXELS, load, load_rgb_whole, on_white
from inpaintlab.images.encoding import (
    LOSSLESS,
    WRITABLE,
    check_writable,
    encode,
    encode_png,
    encode_webp,
    lossless_suffix,
    save,
    through_jpeg,
)
from inpaintlab.images.training import load_rgb, shrink
from inpaintlab.images.values import (
    SUFFIXES,
    DecodedImage,
    Encoded,
    File,
    Header,
    check_range,
    from_array,
    from_pillow,
    from_rgb,
    to_pillow,
    to_rgb,
    to_uint8,
)
from inpaintlab.images.walking import MASK_NAME, Walk

__all__ = [
    "LOSSLESS",
    "MASK_NAME",
    "MAX_PIXELS",
    "SUFFIXES",
    "WRITABLE",
    "DecodedImage",
    "Encoded",
    "File",
    "Header",
    "Walk",
    "check_range",
    "check_writable",
    "encode",
    "encode_png",
    "encode_webp",
    "from_array",
    "from_pillow",
    "from_rgb",
    "load",
    "load_rgb",
    "load_rgb_whole",
    "lossless_suffix",
    "on_white",
    "save",
    "shrink",
    "through_jpeg",
    "to_pillow",
    "to_rgb",
    "to_uint8",
]
