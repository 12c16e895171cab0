"""Names for the kinds of numpy arrays that functions take and return; shapes stand in docstrings."""

from typing import Any

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
UInt64 = npt.NDArray[np.uint64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
#: Pixels as they are stored: unsigned integers or floating point, any number of channels.
Pixels = npt.NDArray[Any]
