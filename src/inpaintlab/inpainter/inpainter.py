"""Filling holes in pictures of any size with a trained network.

A network has learnt from pictures of one size, with holes that take a certain share of them. So each
hole is cut out with enough around it, brought to that size, filled, and put back: the cost follows the
hole, not the picture.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from inpaintlab.checkpoints import WEIGHTS, ModelCard, Run, load_model
from inpaintlab.errors import ImageError, MaskError, OutputError
from inpaintlab.images import Picture, from_array, from_pillow, from_rgb, load, save, to_pillow, to_rgb
from inpaintlab.inpainter.crops import Array, Bools, Box, crop_holes
from inpaintlab.masks import check_mask, check_ratio, load_mask, looks_inverted
from inpaintlab.networks import Network
from inpaintlab.tensors import check_image, composite, pad_to_multiple

AnyImage = TypeVar("AnyImage", Image.Image, npt.NDArray[Any], Tensor)
Floats = npt.NDArray[np.float32]
AnyMask = Image.Image | npt.NDArray[Any] | Tensor

#: So many crops go through the network at a time.
CROPS_AT_ONCE = 8


class Inpainter:
    """A trained network that fills pictures of any size and kind.

    `card` says what the network is, and the picture size that it was trained on.
    """

    def __init__(self, network: Network, card: ModelCard) -> None:
        self.network = network
        network.eval()
        self.card = card

    @classmethod
    def load(cls, path: str | Path) -> "Inpainter":
        """Load the best weights of a run folder, a `.safetensors` file, or published weights of LaMa.

        The last may be `.safetensors`, `.pt`, `.pth` or `.ckpt`. Raises `RunError` for anything else.
        """
        path = Path(path)
        return cls(*load_model(path if path.suffix in WEIGHTS else Run.open(path).model))

    def fill(self, image: AnyImage, mask: AnyMask) -> AnyImage:
        """Fill the hole of a picture; what lies outside comes back bit by bit.

        Image and mask may each be PIL, numpy or torch; the result is of the kind of `image`:

        - PIL, 8 or 16 bits a channel. Palette pictures come back as RGB(A).
        - numpy `[H, W]` or `[H, W, 3 or 4]`, uint8, uint16, or floating point in [0, 1].
        - torch `[3, H, W]` or `[B, 3, H, W]`, floating point in [0, 1].

        A mask is 1, True or white (above 127) in the hole, and of the picture's size: `[H, W]`,
        `[1, H, W]`, or `[B, 1, H, W]` for a batch. Raises `ImageError` and `MaskError` for anything
        else, and for a mask without a hole or over 90 % of the picture.
        """
        if isinstance(image, Image.Image):
            return to_pillow(self.fill_picture(from_pillow(image), as_hole(mask)))
        if isinstance(image, np.ndarray):
            return self.fill_picture(from_array(image), as_hole(mask)).pixels
        if isinstance(image, Tensor):
            return self._fill_tensor(image, mask)
        raise ImageError(f"an image is PIL, numpy or torch, got {type(image).__name__}")

    def fill_picture(self, picture: Picture, hole: Array, name: str = "the mask") -> Picture:
        """Fill the hole, `[H, W]` of 0 and 1, of a decoded picture; `name` is the mask's, in errors."""
        if hole.shape != picture.size:
            seen = f"{hole.shape[1]}×{hole.shape[0]}"
            height, width = picture.size
            raise MaskError(f"{name} is {seen}, but the picture is {width}×{height}: sizes must agree")
        check_ratio(hole, name, inverted_by="invert it (--invert-mask)")
        pixels = picture.pixels.copy()
        for box, inside, colours in self._paint(picture, hole):
            part = replace(picture, pixels=pixels[box.slices])
            where = inside if pixels.ndim == 2 else inside[..., None]
            pixels[box.slices] = composite(part.pixels, from_rgb(colours, like=part), where)
        return replace(picture, pixels=pixels)

    def fill_file(
        self, image: Path, mask: Path, output: Path, *, invert_mask: bool = False
    ) -> list[str]:
        """Fill a picture file, write the result, and return notes for the user.

        The inputs are only read. PNG, TIFF, BMP and WebP keep all pixels outside the hole.
        """
        if output.resolve() in (image.resolve(), mask.resolve()):
            raise OutputError(f"{output} is an input: give another name with -o")
        picture = load(image)
        hole = load_mask(mask, invert=invert_mask)
        notes = list(picture.notes)
        if looks_inverted(hole):
            notes.append(
                f"{mask.name} marks {hole.mean():.0%} of the picture, all round its border: "
                f"if that is not the hole, turn it with --invert-mask"
            )
        return notes + save(output, self.fill_picture(picture, hole, mask.name))

    def _fill_tensor(self, image: Tensor, mask: AnyMask) -> Tensor:
        if image.ndim == 4:
            if isinstance(mask, Image.Image) or len(mask) != len(image):
                raise MaskError(f"{len(image)} images need as many masks, [B, 1, H, W]")
            pairs = zip(image, mask, strict=True)
            return torch.stack([self._fill_tensor(one, hole) for one, hole in pairs])
        check_image(image[None])
        hole = as_hole(mask)
        pixels = image.detach().cpu().float().permute(1, 2, 0).numpy()
        filled = torch.from_numpy(self.fill_picture(Picture(pixels, "RGB"), hole).pixels)
        # Put together once more in the image's own type, which may be finer than float32.
        inside = torch.from_numpy(hole).to(image.device)
        return composite(image, filled.permute(2, 0, 1).to(image), inside)

    def _paint(self, picture: Picture, hole: Array) -> Iterator[tuple[Box, Bools, Floats]]:
        """Yield boxes of the picture, which of their pixels to fill, and colours `[h, w, 3]`."""
        crops = list(crop_holes(hole, self.card.size))
        for start in range(0, len(crops), CROPS_AT_ONCE):
            chunk = crops[start : start + CROPS_AT_ONCE]
            inputs = [self._shrink(picture, hole, box) for box, _ in chunk]
            painted = self._run(torch.cat([x for x, _ in inputs]), torch.cat([m for _, m in inputs]))
            for (box, inside), colours in zip(chunk, painted, strict=True):
                yield box, inside, _enlarge(colours, inside.shape)

    def _shrink(self, picture: Picture, hole: Array, box: Box) -> tuple[Tensor, Tensor]:
        """Cut out a box and bring it to the training size; a smaller one stays as it is.

        Averages run over known pixels only, and a pixel with any hole in it is hole: nothing from
        under the hole gets in.
        """
        rgb = to_rgb(replace(picture, pixels=picture.pixels[box.slices]))
        known = 1 - hole[box.slices].astype(np.float32)
        height, width = known.shape
        scale = min(1.0, self.card.size / min(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
        rgb = np.where(known[..., None] > 0, rgb, np.float32(0))
        colours = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        whole = share > 1 - 1e-6
        image = np.where(whole[..., None], colours, np.float32(0)).clip(0, 1)
        mask = torch.from_numpy(~whole)[None, None].float()
        return torch.from_numpy(image).permute(2, 0, 1)[None], mask

    @torch.inference_mode()
    def _run(self, image: Tensor, mask: Tensor) -> list[Floats]:
        """Run the network on `[B, 3, H, W]` of any size; arrays `[H, W, 3]` come back."""
        check_image(image)
        check_mask(mask, image)
        height, width = image.shape[-2:]
        needs = (self.network.multiple_of, self.network.min_size)
        painted = self.network(pad_to_multiple(image, *needs), pad_to_multiple(mask, *needs))
        return list(painted[..., :height, :width].float().permute(0, 2, 3, 1).numpy())


def as_hole(mask: AnyMask) -> Array:
    """Read a mask of any kind as `[H, W]` of 0 and 1, 1 = hole.

    Raises `MaskError` for another shape, and for a tensor that is not exactly 0 or 1.
    """
    if isinstance(mask, Image.Image):
        return (np.asarray(mask.convert("L")) > 127).astype(np.uint8)
    if isinstance(mask, Tensor):
        if not bool(((mask == 0) | (mask == 1)).all()):
            raise MaskError("a mask tensor is exactly 0 or 1: use mask > 0.5")
        mask = mask.detach().cpu().numpy()
    array = np.asarray(mask)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or array.size == 0:
        raise MaskError(f"a mask is [height, width], got {list(array.shape)}")
    threshold = 127 if array.dtype != bool and array.max() > 1 else 0.5
    return (array > threshold).astype(np.uint8)


def _enlarge(colours: Floats, shape: tuple[int, ...]) -> Floats:
    if colours.shape[:2] == shape[:2]:
        return colours
    enlarged = cv2.resize(colours, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged.clip(0, 1), np.float32)
