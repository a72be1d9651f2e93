"""A perceptron, tuned at width 64 and trained at width 512."""

from __future__ import annotations

import mutransfer.torch as mt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


def build(width: int) -> nn.Module:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(16, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 10),
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    model, base = build(512), build(64)
    plan = mt.plan(model, base, delta=build(128), readout=["4"], optimizer=torch.optim.AdamW)
    print(plan.table())
    mt.apply(model, plan, base=base)
    optimizer = mt.optimizer(torch.optim.AdamW, model, plan, lr=1e-2)
    inputs = torch.randn(256, 16)
    targets = inputs[:, :10].argmax(1)
    for step in range(31):
        loss = F.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            print(f"step {step:2}  loss {loss.item():.3f}")
