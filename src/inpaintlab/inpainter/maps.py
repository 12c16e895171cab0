"""Maps of how far the values of a fill may be off, as files."""

from pathlib import Path

from inpaintlab.errors import SettingError
from inpaintlab.images import DecodedImage, save, to_rgb, to_uint8
from inpaintlab.inpainter.assessment import Judgement
from inpaintlab.inpainter.ways import WAYS
from inpaintlab.trust import Trust, heat_map


def check_knows(trust: Trust | None, method: str) -> None:
    """Raise `SettingError` where nobody knows how wrong a fill may be."""
    if method not in WAYS:
        raise SettingError(f"{method} does not say how wrong it may be: leave --uncertainty out")
    if trust is None:
        raise SettingError(
            "this model has not learnt how wrong it may be, so there is no map of it: leave "
            "--uncertainty out, or train for longer, or on more images"
        )


def save_map(judgement: Judgement | None, image: DecodedImage, output: Path) -> str:
    """Write how far values may be off; return what is expected of the fill, or why there is no map."""
    if judgement is None or judgement.uncertainty is None:
        return f"{output} is not written: what fills this image does not say how wrong it may be"
    pixels = heat_map(judgement.uncertainty, to_uint8(to_rgb(image)))
    save(output, DecodedImage(pixels, "RGB"))
    return f"expected hole PSNR {judgement.expected_error}; {output} shows how far values may be off"
