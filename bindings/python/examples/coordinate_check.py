"""Does a perceptron follow its rule? SP and μP beside each other."""

from __future__ import annotations

import mutransfer.torch as mt
import torch
from torch import nn


def build(width: int) -> nn.Module:
    """Two hidden layers; the readout starts at zero, as is usual under μP."""
    model = nn.Sequential(
        nn.Linear(16, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 10),
    )
    nn.init.zeros_(model[-1].weight)
    return model


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    batch = (torch.randn(64, 16), torch.randint(10, (64,)))
    table = mt.coordinates(
        build,
        widths=(32, 64, 128),
        batch=batch,
        readout=["6"],
        rules=("sp", "mup"),
        init="fan-in",
        steps=2,
        seeds=8,
    )
    print(table.judge())
