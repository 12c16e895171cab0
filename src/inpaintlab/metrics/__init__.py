"""Metrics: of a filled image, by features of a frozen network, and of whole sets of images."""

from inpaintlab.metrics.distributions import Distributions, common_size, figures
from inpaintlab.metrics.learned import FeatureDistance, distance_efficientnet, lpips
from inpaintlab.metrics.per_image import (
    MAX_PSNR,
    colour_difference,
    colour_offset,
    edge_step,
    hole_l1_percent,
    hole_psnr,
    l1_percent,
    psnr,
    seam,
    seam_offset,
)
from inpaintlab.metrics.request import WEIGHTS, Available, available
from inpaintlab.metrics.sets import discrimination, frechet_distance, gaussian_distance, kernel_distance
from inpaintlab.metrics.similarity import hole_ms_ssim, hole_ssim, ms_ssim, scales, similarities, ssim
from inpaintlab.metrics.table import (
    FIGURES,
    METRICS,
    Figure,
    Metric,
    Unavailable,
    measure,
    register_metric,
)

__all__ = [
    "FIGURES",
    "MAX_PSNR",
    "METRICS",
    "WEIGHTS",
    "Available",
    "Distributions",
    "FeatureDistance",
    "Figure",
    "Metric",
    "Unavailable",
    "available",
    "colour_difference",
    "colour_offset",
    "common_size",
    "discrimination",
    "distance_efficientnet",
    "edge_step",
    "figures",
    "frechet_distance",
    "gaussian_distance",
    "hole_l1_percent",
    "hole_ms_ssim",
    "hole_psnr",
    "hole_ssim",
    "kernel_distance",
    "l1_percent",
    "lpips",
    "measure",
    "ms_ssim",
    "psnr",
    "register_metric",
    "scales",
    "seam",
    "seam_offset",
    "similarities",
    "ssim",
]
