"""Mistakes found in public trainers, made on purpose: each must be named."""

import mutransfer.torch as mt
import pytest
import torch
from conftest import GPT, losses, meta, mlp, seeded, vectors
from mutransfer import PlanError, ScheduleError
from torch import nn, optim

WIDTH, BASE, RATE, DECAY, EPS = 128, 16, 0.1, 0.5, 1e-6
RATIO = WIDTH / BASE

tied = lambda width: GPT(width, tied=True)
EVERY = {"0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"}

# What each makes of a group of the plan, and the parameters whose numbers are then wrong.
MUTANTS = {
    "the rule of SGD under Adam": (
        lambda name, group: {**group, "lr": RATE, "weight_decay": DECAY},
        {"2.weight"},
    ),
    "one ratio for all learning rates": (
        lambda name, group: {**group, "lr": RATE / RATIO},
        EVERY - {"2.weight"},
    ),
    "a root in place of the ratio": (
        lambda name, group: {**group, "lr": RATE * (group["lr"] / RATE) ** 0.5},
        {"2.weight"},
    ),
    "a readout that is scaled twice": (
        lambda name, group: {**group, "lr": group["lr"] / (RATIO if name == "4.weight" else 1)},
        {"4.weight"},
    ),
    "an epsilon that does not follow the gradient": (
        lambda name, group: {**group, "eps": EPS},
        EVERY - {"4.bias"},
    ),
    "decay that is not made up for": (
        lambda name, group: {**group, "weight_decay": DECAY},
        {"2.weight"},
    ),
}


@pytest.fixture
def plan():
    models = [meta(mlp, width) for width in (WIDTH, BASE, 2 * BASE)]
    return mt.plan(models[0], models[1], delta=models[2], readout=["4"], optimizer=optim.AdamW)


def groups(model, plan):
    """A group for every parameter, as the plan has it."""
    own = dict(model.named_parameters())
    settings = plan.settings(RATE, DECAY, EPS)
    return {name: {"params": [own[name]], **settings[name]._asdict()} for name in own}


def compared(model, plan, mutate):
    made = optim.AdamW([mutate(name, group) for name, group in groups(model, plan).items()])
    return mt.check(model, plan, made, lr=RATE, weight_decay=DECAY, eps=EPS)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_numbers_of_a_trainer(plan, mutant):
    mutate, wrong = MUTANTS[mutant]
    model = mt.apply(seeded(mlp, WIDTH), plan, init="fan-in")
    assert compared(model, plan, lambda _, group: group) == []
    found = compared(model, plan, mutate)
    assert {finding.parameter for finding in found} == wrong
    assert {finding.code for finding in found} == {"MU012"}


def test_multipliers_that_are_not_there(plan):
    """The flag is set after the model was built, or copied without its hooks."""
    found = compared(seeded(mlp, WIDTH), plan, lambda _, group: group)
    assert [finding.parameter for finding in found] == ["4.weight"]
    assert "multiplier in the forward pass is 1, the plan has 0.125" in found[0].message


def test_a_scheduler_that_sets_rates(plan):
    model = mt.apply(seeded(mlp, WIDTH), plan, init="fan-in")
    made = mt.optimizer(optim.AdamW, model, plan, lr=RATE)
    for group in made.param_groups:
        group["lr"] = RATE
    with pytest.raises(ScheduleError, match=r"`2\.weight`"):
        losses(model, made, vectors, 1)


def test_a_tied_tensor_that_is_rescaled():
    """By the root of the width, as a readout of its own would be."""
    plan = mt.plan(tied(64), tied(8), delta=tied(16), optimizer=optim.AdamW)
    model, base = mt.apply(seeded(tied, 64), plan, init="constant"), seeded(tied, 8)
    found = lambda: {f.parameter for f in mt.check(model, plan, base=base, initial=True)}
    before = found()
    with torch.no_grad():
        model.token.weight.mul_(8**0.5)
    assert found() - before == {"token.weight"}


def test_a_factor_of_the_optimizers_own():
    """Muon that matches Adam scales by the shapes, and needs another plan."""
    plan = mt.plan(mlp(64), mlp(8), delta=mlp(16), readout=["4"], optimizer=optim.Muon, clips=False)
    with pytest.raises(PlanError, match="for muon-keller-jordan, and Muon steps as muon-moonlight"):
        mt.optimizers(mlp(64), plan, lr=1, adam_lr=1, adjust_lr_fn="match_rms_adamw")


def test_one_ratio_where_widths_grow_apart():
    """The inner width of a block grows by more than the model's, as where it is rounded."""
    build = lambda width, inner: nn.Sequential(
        nn.Linear(12, width), nn.Linear(width, inner), nn.Linear(inner, width), nn.Linear(width, 3)
    )
    model = build(64, 512)
    plan = mt.plan(model, build(16, 64), delta=build(32, 128), readout=["3"], optimizer=optim.AdamW)
    mt.apply(model, plan, init="fan-in")
    ratio = lambda name, group: {
        **group,
        **(
            {"lr": RATE / 4, "weight_decay": DECAY * 4}
            if plan.params[name].role == "hidden"
            else {}
        ),
    }
    assert {finding.parameter for finding in compared(model, plan, ratio)} == {"2.weight"}


def test_a_vocabulary_is_no_width():
    """Padded to a multiple of the base's, which divides it as a width would."""
    target, base, delta = GPT(32, vocab=48), GPT(8), GPT(16)
    plan = mt.plan(target, base, delta=delta, readout=["head"])
    assert plan.params["token.weight"].role == "input"
    assert plan.params["head.weight"].role == "output"
    assert plan.params["head.weight"].multiplier == 1 / 4
    assert plan.params["token.weight"].lr == 1


class Conv1D(nn.Module):
    """As the layer of GPT-2 in transformers: its weight is stored [in, out]."""

    def __init__(self, fan_out, fan_in):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_in, fan_out) * 0.02)
        self.bias = nn.Parameter(torch.zeros(fan_out))

    def forward(self, x):
        return torch.addmm(self.bias, x, self.weight)


def test_the_last_axis_is_no_fan_in(monkeypatch):
    monkeypatch.setattr(Conv1D, "__module__", "transformers.pytorch_utils")
    model = nn.Sequential(nn.Linear(12, 64), Conv1D(64, 64), Conv1D(256, 64), nn.Linear(256, 3))
    small = lambda w: nn.Sequential(
        nn.Linear(12, w), Conv1D(w, w), Conv1D(2 * w, w), nn.Linear(2 * w, 3)
    )
    assert mt.shapes(small(8))["1.weight"][1:] == (0, 1)
    # Its fan-in grows by 4 and its fan-out by 8.
    plan = mt.plan(model, small(16), delta=small(32), readout=["3"])
    assert plan.params["2.weight"].lr == 1 / 4
    seen = mt.plan(model, small(16), delta=small(32), readout=["3"], example=torch.ones(2, 12))
    assert seen == plan


def test_heads_of_another_size_than_the_base():
    """At the base the scale must be the usual one, whatever the size of its heads."""
    plan = mt.plan(GPT(32), GPT(8), delta=GPT(16), readout=["head"], head_dim=(8, 8))
    assert plan.forward.attention == pytest.approx(8**-0.5)
    plan = mt.plan(GPT(32), GPT(8), delta=GPT(16), readout=["head"], head_dim=(8, 32))
    assert plan.forward.attention == pytest.approx(8**0.5 / 32)
