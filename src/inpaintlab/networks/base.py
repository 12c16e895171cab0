"""What every network states about itself, and the checks that rest on it."""

from torch import Tensor, nn

from inpaintlab.errors import SizeError
from inpaintlab.masks import check_mask
from inpaintlab.tensors import check_image_shape


class Network(nn.Module):
    """An `nn.Module` that paints `[B, 3, H, W]` in [0, 1] from an image and its mask, 1 = hole.

    `multiple_of` is what height and width must be multiples of, `min_size` the least of both.
    `learning_rate` is the peak that its training takes where none is set.
    `bottleneck` is the dotted name of the module whose output is all that the decoder gets, None where
    skips pass by it; so no module can be called `bottleneck` itself.
    `encoder` holds the dotted names of the modules on the way to the coarsest features, whose batch
    norms a second phase of training freezes; so no module can be called `encoder` either.
    """

    multiple_of: int
    min_size: int
    learning_rate: float = 1.5e-3
    bottleneck: str | None = None
    encoder: tuple[str, ...] = ()

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Paint the whole image without looking under the hole."""
        raise NotImplementedError

    def __call__(self, image: Tensor, mask: Tensor) -> Tensor:
        """Check the inputs and run `forward`.

        Raises `ImageError`, `MaskError` or `SizeError` naming what was seen. Colours are not checked,
        as what lies under the hole may be anything.
        """
        check_image_shape(image)
        check_mask(mask, image)
        self.check_size(image.shape[-2], image.shape[-1])
        painted: Tensor = super().__call__(image, mask)
        return painted

    def check_size(self, height: int, width: int) -> None:
        """Raise `SizeError`, with the sizes that would do, where the network cannot take this one."""
        for side in (height, width):
            if side % self.multiple_of or side < self.min_size:
                sizes = " or ".join(str(size) for size in self.nearest_sizes(side)) + self.size_hint(
                    side
                )
                raise SizeError(
                    f"{type(self).__name__} cannot take {height}×{width}: sides are multiples of "
                    f"{self.multiple_of}, at least {self.min_size}; nearest: {sizes}"
                )

    def nearest_sizes(self, side: int) -> list[int]:
        """Return the allowed sides next to one that is not allowed."""
        below = side // self.multiple_of * self.multiple_of
        candidates = (below, below + self.multiple_of)
        return [size for size in candidates if size >= self.min_size] or [self.min_size]

    def size_hint(self, side: int) -> str:
        """Return what else would do for a side that is not allowed, to end the message with."""
        del self, side
        return ""
