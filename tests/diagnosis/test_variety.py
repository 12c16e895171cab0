import pytest

from inpaintlab.data import augment
from inpaintlab.data.sampling import TrainingSamples
from inpaintlab.diagnosis.images import variety
from inpaintlab.randomness import generator_for
from tests.diagnosis.conftest import session_of


@pytest.mark.parametrize("name", augment.AUGMENTATIONS)
def test_our_own_draws_vary(tmp_path, name):
    trainer, _ = session_of(tmp_path, augment={"name": name}, data="samples:200")
    verdict = variety(trainer.samples())
    assert verdict.word == "ok"
    assert 0 < verdict.figures["mean_hole"] < 0.5


class SameNumbers(TrainingSamples):
    """The classic bug: a generator that is seeded anew for every sample."""

    def generator(self, draw):
        return generator_for(0)


class SameMask(TrainingSamples):
    def sample(self, image, draw, position=-1):
        return super().sample(image, draw, position)._replace(mask=super().sample(image, 0).mask)


@pytest.mark.parametrize(
    ("kind", "preset", "text"),
    [
        (SameNumbers, "light", "1 variants"),
        (SameNumbers, "none", "same mask"),
        (SameMask, "flip", "same mask"),
    ],
)
def test_one_augmentation_or_mask_for_all_is_a_finding(tmp_path, kind, preset, text):
    trainer, _settings = session_of(tmp_path, augment={"name": preset})
    mixture = trainer.validation.masks.mixture
    verdict = variety(kind(trainer.data.train, mixture, 0, augment.AUGMENTATIONS.create(preset)))
    assert (verdict.word, text in verdict.text) == ("finding", True)
    assert verdict.figures["repeated_masks"] == 1


def test_a_handful_of_images_is_a_note(tmp_path):
    trainer, _ = session_of(tmp_path, data="samples:20", augment={"name": "none"})
    verdict = variety(trainer.samples())
    assert (verdict.word, verdict.figures["repeated_images"]) == ("note", 1)
