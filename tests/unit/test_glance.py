"""A glance sees at an azimuth what its columns hold there."""

import torch

from prismaudio.planning.glance import at_azimuth


def test_features_at_an_azimuth_are_those_of_its_column() -> None:
    columns = torch.arange(10.0)[None, :, None].expand(3, -1, 4)
    seen = at_azimuth(columns, torch.tensor([-1.0, 0.0, 1.0]))
    assert seen[:, 0].tolist() == [0.0, 4.5, 9.0]
