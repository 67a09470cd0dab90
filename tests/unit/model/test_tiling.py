import torch
from torch import nn

from retrato.model.tiling import wrapping_around


def test_a_picture_that_is_moved_around_stays_the_same_picture() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.SiLU(), nn.Conv2d(4, 3, 1), nn.Conv2d(3, 3, 5, padding=2))
    picture = torch.randn(1, 3, 12, 16)

    def moved(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.roll((3, 5), dims=(2, 3))

    with torch.no_grad():
        before = module(picture)
        with wrapping_around(module):
            torch.testing.assert_close(module(moved(picture)), moved(module(picture)))
        assert not torch.allclose(module(moved(picture)), moved(before), atol=1e-3)
        assert torch.equal(module(picture), before)
