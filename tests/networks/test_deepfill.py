import torch

from inpaintlab import networks


def test_both_stages_can_be_supervised():
    """The coarse image is within reach, and the refined one is what `forward` returns."""
    network = networks.create("deepfill", width=8).train()
    image, mask = torch.rand(2, 3, 32, 16), torch.zeros(2, 1, 32, 16)
    mask[..., 8:16, 4:8] = 1
    coarse, refined = network.stages(image, mask)
    assert coarse.shape == image.shape
    assert torch.equal(refined, network(image, mask))
    parameters = dict(network.named_parameters())
    gradients = torch.autograd.grad(coarse.square().mean(), parameters.values(), allow_unused=True)
    reached = {
        name for name, gradient in zip(parameters, gradients, strict=True) if gradient is not None
    }
    assert reached == {name for name in parameters if name.startswith("coarse.")}


def test_default_deepfill_has_the_weights_of_the_paper():
    with torch.device("meta"):
        network = networks.create("deepfill")
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == 4.1
