"""Discriminators: what tells filled patches from real ones, for adversarial losses.

Each is called with an image and its mask and gives back numbers for each patch, `[B, K, h, w]`, one or
more, not bound to anything, higher for "real"; and the features of its layers, to be matched by a loss.
It does so in two steps: `view` is what it sees of an image, which never learns, and `judge` what it
makes of that.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from inpaintlab.errors import SettingError
from inpaintlab.features import FEATURES
from inpaintlab.masks import check_mask
from inpaintlab.registry import Registry
from inpaintlab.tensors import check_image_shape

#: Numbers for the patches, and features to match from the finest layer to the coarsest.
Scores = tuple[Tensor, list[Tensor]]


class Discriminator(nn.Module):
    """A chain of stages; `min_size` is the least height and width that it can score.

    `frozen` are the networks through which it sees images; they are no modules of it: they do not learn,
    are not saved and not begun anew.
    """

    min_size: int
    frozen: tuple[nn.Module, ...] = ()

    def __init__(self, stages: list[nn.Module], leave: nn.Module) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.leave = leave

    def forward(self, image: Tensor, mask: Tensor) -> Scores:
        """Score `[B, 3, H, W]` in [0, 1], whole, with the hole pointed out by `[B, 1, H, W]`.

        Raises `ImageError` and `MaskError` for other shapes, and `SettingError` for an image too small.
        """
        check_image_shape(image)
        check_mask(mask, image)
        if min(image.shape[-2:]) < self.min_size:
            height, width = image.shape[-2:]
            raise SettingError(
                f"{type(self).__name__} cannot score {height}×{width}: at least {self.min_size}×"
                f"{self.min_size}, or fewer layers"
            )
        return self.judge(self.view(image), mask)

    def view(self, image: Tensor) -> list[Tensor]:
        """Return what is seen of an image: the image itself, unless a network looks at it first."""
        return [image]

    def judge(self, views: list[Tensor], mask: Tensor) -> Scores:
        """Score what is seen of images."""
        features = torch.cat([2 * views[0] - 1, mask], 1)
        taps = []
        for stage in self.stages:
            features = stage(features)
            taps.append(features)
        return self.score(taps), taps

    def score(self, taps: list[Tensor]) -> Tensor:
        """Return one number for each patch from what left the stages."""
        scores: Tensor = self.leave(taps[-1])
        return scores


class PatchDiscriminator(Discriminator):
    """The discriminator of pix2pix (Isola et al. 2017) as LaMa and others use it: 4×4, batch normalised.

    `layers` stages of stride 2 with `width` channels in the first, twice as many in each further one
    and at most eight times as many, then one of stride 1: with four of them a patch is 142 pixels wide.
    """

    def __init__(self, width: int = 64, layers: int = 4) -> None:
        _check("patch", width, layers)
        widths = [4, *(width * min(2**level, 8) for level in range(layers + 1))]
        stages: list[nn.Module] = []
        for level in range(layers + 1):
            stride = 2 if level < layers else 1
            convolution = nn.Conv2d(widths[level], widths[level + 1], 4, stride, 2, bias=level == 0)
            norm = nn.BatchNorm2d(widths[level + 1]) if level else nn.Identity()
            stages.append(nn.Sequential(convolution, norm, nn.LeakyReLU(0.2)))
        super().__init__(stages, nn.Conv2d(widths[-1], 1, 4, 1, 2))
        self.min_size = 4


class SpectralPatchDiscriminator(Discriminator):
    """SN-PatchGAN of DeepFillv2 (Yu et al. 2019, section 3.3): 5×5 convolutions of stride 2.

    Spectral normalisation (Miyato et al. 2018) holds each layer's largest singular value at 1; there is
    no other.
    `layers` stages with `width` channels in the first, twice as many in the next and at most four times
    as many; with six of them every number looks at the whole of a 256 px image. The paper puts the
    loss straight on the last features; here one more convolution brings them to one number a patch.
    """

    def __init__(self, width: int = 64, layers: int = 6) -> None:
        _check("spectral-patch", width, layers)
        widths = [4, *(width * min(2**level, 4) for level in range(layers))]
        stages = [
            nn.Sequential(
                spectral_norm(nn.Conv2d(widths[level], widths[level + 1], 5, 2, 2)), nn.LeakyReLU(0.2)
            )
            for level in range(layers)
        ]
        super().__init__([*stages], spectral_norm(nn.Conv2d(widths[-1], 1, 5, 1, 2)))
        self.min_size = 1


class PyramidDiscriminator(Discriminator):
    """Ours, for few steps on a CPU: patches of every size from four pixels up have a say in one score.

    The first stage halves the sides at once, which leaves a quarter of the work. `layers` further ones
    of stride 2 follow, with `width` channels in the first and at most four times as many. Each gives a
    score, and those of the coarser ones, enlarged, are added to the finest: at the place of four by four
    pixels stands how real the texture looks there, the eye that it is part of, and the face. There is
    no normalisation; penalties on its gradients hold it (`penalty="both"`).
    """

    def __init__(self, width: int = 24, layers: int = 3) -> None:
        _check("pyramid", width, layers)
        widths = [width * min(2**level, 4) for level in range(layers + 1)]
        first = nn.Sequential(nn.Conv2d(4, widths[0], 6, 2, 2), nn.LeakyReLU(0.2))
        following = [
            nn.Sequential(nn.Conv2d(above, below, 3, 2, 1), nn.LeakyReLU(0.2))
            for above, below in pairwise(widths)
        ]
        super().__init__([first, *following], nn.Conv2d(widths[1], 1, 3, padding=1))
        self.coarser = nn.ModuleList(nn.Conv2d(channels, 1, 3, padding=1) for channels in widths[2:])
        self.min_size = 4

    def score(self, taps: list[Tensor]) -> Tensor:
        """Return the sum of the scores of all stages but the first, on the grid of the second."""
        scores: Tensor = self.leave(taps[1])
        for convolution, features in zip(self.coarser, taps[2:], strict=True):
            scores = scores + F.interpolate(convolution(features), scores.shape[-2:], mode="nearest")
        return scores


class FeatureDiscriminator(Discriminator):
    """Judges what a network that has seen many photographs makes of an image (Sauer et al. 2021).

    What an eye looks like need not be learnt from the start: on each of the first `layers` maps of the
    frozen network of that name in `FEATURES` works a head of two convolutions, with half of `width`
    channels on the finest map and `width` on the others. Each gives a number of its own for a patch of
    the second map's grid. The paper's random mixing of maps is left out. `weights` is the file of the
    frozen network.
    """

    def __init__(
        self,
        width: int = 64,
        layers: int = 4,
        features: str = "efficientnet-lite0",
        weights: str | None = None,
    ) -> None:
        _check("features", width, layers)
        frozen = FEATURES.create(features, **({} if weights is None else {"weights": weights}))
        # How large its features are on soft stains of any colour, which is about as on photographs.
        stains = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        side = max(64, frozen.min_size)
        maps = frozen(F.interpolate(stains, (side, side), mode="bilinear"))[:layers]
        channels = [of.shape[1] for of in maps]
        widths = [max(1, width // 2), *[width] * (len(channels) - 1)]
        # The finest map is halved at once, which leaves a quarter of the work.
        convolutions = [
            nn.Conv2d(count + 1, wide, 1 if level else 3, 1 if level else 2, 0 if level else 1)
            for level, (count, wide) in enumerate(zip(channels, widths, strict=True))
        ]
        stages = [nn.Sequential(one, nn.LeakyReLU(0.2)) for one in convolutions]
        leaves = [nn.Conv2d(wide, 1, 3, padding=1) for wide in widths]
        super().__init__([*stages], nn.ModuleList(leaves))
        self.frozen = (frozen,)
        self.scales = [float(of.square().mean().sqrt()) + 1e-6 for of in maps]
        self.min_size = frozen.min_size

    def view(self, image: Tensor) -> list[Tensor]:
        """Return the maps of the frozen network, brought to a mean square of about 1."""
        frozen = self.frozen[0]
        if frozen.mean.device != image.device:
            frozen.to(image.device)
        return [of / scale for of, scale in zip(frozen(image), self.scales, strict=False)]

    def judge(self, views: list[Tensor], mask: Tensor) -> Scores:
        """Score the maps of images."""
        taps = []
        for stage, maps in zip(self.stages, views, strict=True):
            hole = F.adaptive_avg_pool2d(mask, (maps.shape[-2], maps.shape[-1]))
            taps.append(stage(torch.cat([maps, hole], 1)))
        return self.score(taps), taps

    def score(self, taps: list[Tensor]) -> Tensor:
        """Return a score for each map, on the grid of the first tap, which is that of the second map."""
        leaves, grid = self.leave.children(), taps[0].shape[-2:]
        scores = [leave(tap) for leave, tap in zip(leaves, taps, strict=True)]
        return torch.cat([F.interpolate(score, grid, mode="nearest") for score in scores], 1)


DISCRIMINATORS: Registry[Discriminator] = Registry(
    "discriminator",
    {
        "patch": PatchDiscriminator,
        "spectral-patch": SpectralPatchDiscriminator,
        "pyramid": PyramidDiscriminator,
        "features": FeatureDiscriminator,
    },
)


def _check(name: str, width: int, layers: int) -> None:
    for key, value in (("width", width), ("layers", layers)):
        if value < 1:
            raise SettingError(f"discriminator {name!r}: {key} must be at least 1, got {value}")
