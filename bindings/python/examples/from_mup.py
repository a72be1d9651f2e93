"""A trainer written for the package `mup`; only the import is another."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from mutransfer import mup
from mutransfer.mup import MuAdamW, MuReadout, make_base_shapes, set_base_shapes
from torch import nn


class Classifier(nn.Module):
    """A perceptron with mup's readout and initialisers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read, self.mix = nn.Linear(16, width), nn.Linear(width, width)
        self.answer = MuReadout(width, 10, readout_zero_init=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 10] of `x` [batch, 16]."""
        return self.answer(self.mix(self.read(x).relu()).relu())


if __name__ == "__main__":
    torch.manual_seed(0)
    base_shapes = make_base_shapes(Classifier(64), Classifier(128))
    model = set_base_shapes(Classifier(512), base_shapes)
    mup.init.kaiming_normal_(model.mix.weight, a=1)
    optimizer = MuAdamW(model.parameters(), lr=1e-2)
    inputs, targets = torch.randn(256, 16), torch.randint(10, (256,))
    for step in range(31):
        loss = F.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            print(f"step {step:2}  loss {loss.item():.3f}")
