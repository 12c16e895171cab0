"""Small batches and batch norm."""

import pytest
from torch import nn

from inpaintlab import networks
from inpaintlab.layers.batch_norm import LEAST_BATCH, small_batch_warning


@pytest.mark.parametrize(("batch", "warned"), [(1, True), (LEAST_BATCH - 1, True), (LEAST_BATCH, False)])
def test_a_small_batch_is_warned_of_where_there_is_batch_norm(batch, warned):
    network = networks.create("swift", width=8)
    assert bool(small_batch_warning(network, batch)) == warned
    assert small_batch_warning(nn.Conv2d(3, 3, 1), batch) == ""


def test_frozen_statistics_do_not_count():
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    network[1].eval()
    assert small_batch_warning(network, 1) == ""
