"""Sessions and settings of checks that take a second."""

from inpaintlab.diagnosis.check import check
from inpaintlab.settings import CheckSettings
from inpaintlab.training.build import build_trainer, rehearse
from tests.conftest import small_settings


def check_settings(**changes) -> CheckSettings:
    """Settings of a quick check."""
    defaults = {
        "network": {"name": "swift", "width": 8},
        "size": 32,
        "steps": None,
        "seconds": 1000,
        "rate_steps": 40,
        "overfit_steps": 20,
    }
    return CheckSettings.model_validate(small_settings().model_dump() | defaults | changes)


def check_of(**changes):
    """What a check of quick settings finds."""
    settings = check_settings(**changes)
    names = ("output", "sample", "rate_steps", "overfit_steps", "seconds")
    trainer = build_trainer(settings.model_copy(update={"output": None}))
    return check(trainer, **{name: getattr(settings, name) for name in names})


def session_of(tmp_path, **changes):
    """A trainer to look at, and its settings."""
    trainer = rehearse(check_settings(**changes), tmp_path / "none")
    return trainer, trainer.settings
