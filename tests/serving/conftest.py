"""A server without processes for the tests of routes, and small images to send."""

import io

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from inpaintlab import networks
from inpaintlab.checkpoints import ModelCard
from inpaintlab.data import samples
from inpaintlab.inpainter import Inpainter
from inpaintlab.serving.app import create_app
from inpaintlab.serving.jobs import About
from inpaintlab.serving.pool import Pool
from inpaintlab.serving.work import answer

ABOUT = About("faces", network="unet", size=32, sha256="0" * 64, created=1_700_000_000)


class HerePool(Pool):
    """Does jobs in this process, as a worker does them."""

    def __init__(self, inpainter, **limits):
        super().__init__(None, **limits)
        self.inpainter = inpainter
        self.about = ABOUT
        self.started = True

    ready = 1

    async def run(self, job):
        return answer(self.inpainter, job)


def encoded(pixels, kind="PNG", **options):
    """The bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.fixture(scope="session")
def inpainter(trained_run):
    return Inpainter.load(trained_run)


@pytest.fixture
def pool(inpainter):
    return HerePool(inpainter)


@pytest.fixture
def client(pool):
    return TestClient(create_app(pool))


@pytest.fixture(scope="session")
def varied_inpainter():
    """An inpainter that fills a hole in several ways."""
    torch.manual_seed(0)
    arguments = {"width": 8, "depth": 1, "dilations": (1,), "noise": 3}
    network = networks.create("unet", **arguments)
    for part in network.vary:
        part.linear.weight.data.mul_(10)
    return Inpainter(network, ModelCard("unet", arguments, 32))


@pytest.fixture(scope="session")
def varied(varied_inpainter):
    """A server whose model fills a hole in several ways."""
    return TestClient(create_app(HerePool(varied_inpainter)))


@pytest.fixture(scope="session")
def portrait():
    """An image, uint8 [40, 48, 3]."""
    return samples.draw(3, 48)[:40]


@pytest.fixture(scope="session")
def hole():
    """Its hole, bool [40, 48]."""
    hole = np.zeros((40, 48), bool)
    hole[10:22, 14:30] = True
    return hole


@pytest.fixture(scope="session")
def files(portrait, hole):
    """Both as the files of a form."""
    return {
        "image": ("photo.png", encoded(portrait)),
        "mask": ("mask.png", encoded(np.uint8(255) * hole)),
    }
