"""What holds of any tower of layers."""

import mutransfer.torch as mt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn, optim

LAYERS = ["linear", "wide", "norm", "conv", "table", "gru"]
OPTIMIZERS = [optim.AdamW, optim.SGD, optim.Adam, optim.RMSprop]


class Tower(nn.Module):
    def __init__(self, kinds, width, inputs):
        super().__init__()
        make = {
            "linear": lambda: nn.Linear(width, width),
            "wide": lambda: nn.Sequential(nn.Linear(width, 4 * width), nn.Linear(4 * width, width)),
            "norm": lambda: nn.LayerNorm(width),
            "conv": lambda: nn.Conv1d(width, width, 3),
            "table": lambda: nn.Embedding(7, width),
            "gru": lambda: nn.GRU(width, width),
        }
        self.first = nn.Linear(inputs, width)
        self.parts = nn.ModuleList(make[kind]() for kind in kinds)
        self.head = nn.Linear(width, 5)


def planned(kinds, inputs, target, base, optimizer):
    with torch.device("meta"):
        models = [Tower(kinds, width, inputs) for width in (target, base, 2 * base)]
    return mt.plan(models[0], models[1], delta=models[2], readout=["head"], optimizer=optimizer)


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(LAYERS), max_size=5),
    inputs=st.integers(1, 9),
    steps=st.tuples(st.integers(3, 9), st.integers(2, 5), st.integers(2, 5)),
    optimizer=st.sampled_from(OPTIMIZERS),
)
@pytest.mark.filterwarnings("ignore::mutransfer.PlanWarning")
def test_plans_of_towers(kinds, inputs, steps, optimizer):
    small, middle, large = steps[0], steps[0] * steps[1], steps[0] * steps[1] * steps[2]
    plan = planned(kinds, inputs, large, small, optimizer)
    model = Tower(kinds, large, inputs)
    names = [name for name, _ in model.named_parameters()]
    assert sorted(names) == list(plan.params)
    groups = mt.param_groups(model, plan, lr=0.1, weight_decay=0.1)
    grouped = [name for group in groups for name, _ in group["params"]]
    assert sorted(grouped) == sorted(names)
    assert len(groups) <= 4
    first = planned(kinds, inputs, middle, small, optimizer)
    then = planned(kinds, inputs, large, middle, optimizer)
    for name in names:
        for whole, one, other in zip(
            plan.params[name][1:], first.params[name][1:], then.params[name][1:], strict=True
        ):
            assert whole == pytest.approx(one * other)
    wrapped = nn.DataParallel(torch.compile(model, backend="eager"))
    assert mt.shapes(wrapped) == mt.shapes(model)
