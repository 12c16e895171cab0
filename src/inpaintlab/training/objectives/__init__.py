"""Objectives: what a step minimises, and with which networks beside the one that is trained.

An objective is one class and one line in `OBJECTIVES`. It takes plain keyword arguments, is set up for a
run by `attach`, and from then on owns every network of the run and its optimiser.
"""

from collections.abc import Callable
from typing import Any

from inpaintlab.configs import resolve_arguments
from inpaintlab.errors import SettingError, near_miss
from inpaintlab.training.objectives.base import Learner, Objective, Optimisation, Step
from inpaintlab.training.objectives.reconstruction import Reconstruction

__all__ = ["OBJECTIVES", "Learner", "Objective", "Optimisation", "Step", "create", "resolve"]

OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "reconstruction": Reconstruction,
}


def resolve(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments of an objective, with the defaults filled in.

    Raises `SettingError` for an unknown objective or argument, with the nearest known name.
    """
    if name not in OBJECTIVES:
        raise SettingError(f"unknown objective {name!r}{near_miss(name, OBJECTIVES)}")
    full = resolve_arguments(OBJECTIVES[name], arguments, f"objective {name!r}")
    return {key: list(value) if isinstance(value, tuple) else value for key, value in full.items()}


def create(name: str, **arguments: Any) -> Objective:
    """Build an objective by name; its own networks get fresh weights.

    Raises `SettingError` for an unknown name or argument, or a value out of range.

    >>> create("reconstruction", hole_weight=1).hole_weight
    1
    """
    full = resolve(name, arguments)
    try:
        return OBJECTIVES[name](**full)
    except TypeError as error:
        raise SettingError(f"objective {name!r}: {error}") from None
