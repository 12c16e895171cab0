import torch

from inpaintlab.trust import examples_of


def test_examples_are_the_same_each_time_and_half_have_wide_holes():
    both = examples_of("samples:60", 32, masks={"name": "rectangles", "side": (0.1, 0.1)}, count=70)
    one, two = (list(both.learning) for _ in range(2))
    assert [len(mask) for _, mask in one] == [32, 32, 6]
    for (image, mask), (other, same) in zip(one, two, strict=True):
        assert torch.equal(image, other)
        assert torch.equal(mask, same)
    ratio = torch.cat([mask for _, mask in one]).mean((1, 2, 3))
    assert float(ratio[::2].max()) < 0.02
    assert 0.04 < float(ratio[1::2].min()) < 0.2 < float(ratio[1::2].max()) < 0.6


def test_no_image_is_learnt_from_and_calibrated_with():
    both = examples_of("samples:60", 16, count=60)
    learnt, others = (torch.cat([image for image, _ in of]).flatten(1) for of in both)
    assert float(torch.cdist(learnt, others).min()) > 0.1
    assert len(others) < len(learnt)
