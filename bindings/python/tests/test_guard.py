"""Schedules that keep the ratios of a plan, those that erase them, and optimizers."""

import mutransfer.torch as mt
import pytest
import torch
from conftest import MODELS, losses, mlp, seeded, vectors
from mutransfer import PlanError, PlanMismatch, PlanWarning, ScheduleError
from torch import nn, optim
from torch.optim import lr_scheduler as schedules

RATES = lambda made: [group["lr"] for group in made.param_groups]

KEEP = {
    "LambdaLR": lambda o: schedules.LambdaLR(o, lambda step: 0.5**step),
    "StepLR": lambda o: schedules.StepLR(o, 2),
    "ExponentialLR": lambda o: schedules.ExponentialLR(o, 0.8),
    "LinearLR": lambda o: schedules.LinearLR(o, total_iters=9),
    "PolynomialLR": lambda o: schedules.PolynomialLR(o, 20),
    "ConstantLR": lambda o: schedules.ConstantLR(o, total_iters=9),
    "SequentialLR": lambda o: schedules.SequentialLR(
        o, [schedules.LinearLR(o, 0.1, total_iters=2), schedules.ExponentialLR(o, 0.9)], [2]
    ),
    "CosineAnnealingLR": lambda o: schedules.CosineAnnealingLR(o, 10),
    "OneCycleLR of a list": lambda o: schedules.OneCycleLR(o, RATES(o), total_steps=10),
    "CyclicLR of lists": lambda o: schedules.CyclicLR(
        o, [rate / 8 for rate in RATES(o)], RATES(o), cycle_momentum=False
    ),
    "SWALR of a list": lambda o: optim.swa_utils.SWALR(
        o, [rate / 2 for rate in RATES(o)], anneal_epochs=9
    ),
    "warm-up from zero": lambda o: schedules.LambdaLR(o, lambda step: step / 5),
}
ERASE = {
    "CosineAnnealingLR": lambda o: schedules.CosineAnnealingLR(o, 10, eta_min=1e-3),
    "CosineAnnealingWarmRestarts": lambda o: schedules.CosineAnnealingWarmRestarts(
        o, 10, eta_min=1e-3
    ),
    "OneCycleLR": lambda o: schedules.OneCycleLR(o, 0.1, total_steps=10),
    "CyclicLR": lambda o: schedules.CyclicLR(o, 0.01, 0.1, cycle_momentum=False),
    "SWALR": lambda o: optim.swa_utils.SWALR(o, 0.05, anneal_epochs=3),
}


def trained(scheduler, steps=6):
    plan = mt.plan(mlp(64), mlp(8), delta=mlp(16), readout=["4"], optimizer=optim.AdamW)
    model = mt.apply(seeded(mlp, 64), plan, init="fan-in")
    made = mt.optimizer(optim.AdamW, model, plan, lr=0.1)
    schedule = scheduler(made)
    for _ in range(steps):
        losses(model, made, vectors, 1)
        schedule.step()
    return made, plan


@pytest.mark.parametrize("name", KEEP)
def test_schedules_that_multiply(name):
    made, _ = trained(KEEP[name])
    assert {group["lr"] for group in made.param_groups}.isdisjoint({0.1, 0.0125})


@pytest.mark.parametrize("name", ERASE)
def test_schedules_that_set(name):
    with pytest.raises(ScheduleError, match="has the learning rate"):
        trained(ERASE[name])


# Arguments of a plateau, by the groups' scales.
PLATEAUS = {
    "floors": lambda scales: {"min_lr": [0.01 * scale for scale in scales], "eps": 0},
    "one floor": lambda _: {"min_lr": 0.01, "eps": 0},
    # The smallest rate is the first to fall by less than its epsilon, and stays.
    "its own epsilon": lambda _: {"eps": 1e-8},
}


@pytest.mark.parametrize("name", PLATEAUS)
def test_plateaus(name):
    plan = mt.plan(mlp(64), mlp(8), delta=mlp(16), readout=["4"], optimizer=optim.AdamW)
    model = mt.apply(seeded(mlp, 64), plan, init="fan-in")
    made = mt.optimizer(optim.AdamW, model, plan, lr=0.1)
    scales = [group["planned_lr_scale"] for group in made.param_groups]
    arguments = {"factor": 0.5, "patience": 0, **PLATEAUS[name](scales)}
    schedule = schedules.ReduceLROnPlateau(made, **arguments)
    for _ in range(30):
        schedule.step(1.0)
    if name == "floors":
        losses(model, made, vectors, 1)
    else:
        with pytest.raises(ScheduleError):
            losses(model, made, vectors, 1)


def test_what_the_guard_says():
    plan = mt.plan(mlp(64), mlp(8), delta=mlp(16), readout=["4"], optimizer=optim.AdamW)
    model = mt.apply(mlp(64), plan, init="fan-in")
    made = mt.optimizer(optim.AdamW, model, plan, lr=0.1)
    for group in made.param_groups:
        group["lr"] = 0.1  # as nanoGPT and DeepSpeed do
    with pytest.raises(ScheduleError) as refused:
        losses(model, made, vectors, 1)
    assert str(refused.value) == (
        "group 1 (`2.weight` and 0 more) has the learning rate 0.1, and beside that of group 0 the "
        "plan has 0.0125\n"
        "  hint: a schedule must multiply: CosineAnnealingLR with eta_min=0, OneCycleLR, CyclicLR "
        'and SWALR with a list of rates ([g["lr"] for g in optimizer.param_groups]), '
        "ReduceLROnPlateau with a list for min_lr and eps=0, or LambdaLR"
    )
    for group in made.param_groups:
        group["lr"] = 0.0
    losses(model, made, vectors, 1)


def test_an_optimizer_without_groups_of_a_plan():
    plan = mt.plan(mlp(64), mlp(8), delta=mlp(16), readout=["4"])
    with pytest.raises(PlanMismatch, match="are not those of a plan"):
        mt.guard(optim.AdamW(mlp(64).parameters()), plan)


def test_groups():
    plan = mt.plan(mlp(64), mlp(8), delta=mlp(16), readout=["4"], optimizer=optim.AdamW)
    model = mlp(64)
    model[4].bias.requires_grad_(False)
    groups = mt.param_groups(model, plan, lr=0.1, weight_decay=0.5, no_decay=["*.bias"])
    named = [[name for name, _ in group.pop("params")] for group in groups]
    assert named == [["0.bias", "2.bias"], ["0.weight", "4.weight"], ["2.weight"]]
    shared = {"eps": 1e-8 / 8, "planned_lr_scale": 1.0}
    assert groups[0] == {"lr": 0.1, "weight_decay": 0.0, **shared}
    assert groups[1] == {"lr": 0.1, "weight_decay": 0.5, **shared}
    assert groups[2] == {
        "lr": 0.0125,
        "weight_decay": 4.0,
        "eps": 1e-8 / 8,
        "planned_lr_scale": 0.125,
    }
    only = mt.param_groups(
        model, plan, lr=0.1, weight_decay=1.0, no_decay=lambda name, _: name == "x"
    )
    assert all(group["weight_decay"] for group in only)


def test_independent_decay_is_independent_in_torch():
    """torch multiplies decay by the rate, so the group has it divided by that."""
    plan = mt.plan(
        mlp(64), mlp(8), delta=mlp(16), readout=["4"], optimizer=optim.AdamW, decay="independent"
    )
    for group in mt.param_groups(mlp(64), plan, lr=0.1, weight_decay=0.5):
        assert group["lr"] * group["weight_decay"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("cls", "arguments", "planned"),
    [
        (optim.SGD, {"momentum": 0.9}, "sgd"),
        (optim.SGD, {"momentum": 0.9, "nesterov": True}, "sgd"),
        (optim.Adam, {}, "adam"),
        (optim.NAdam, {}, "nadam"),
        (optim.RAdam, {}, "radam"),
        (optim.Adamax, {}, "adamax"),
        (optim.RMSprop, {}, "rmsprop"),
        (optim.Adagrad, {}, "adagrad"),
        (optim.Adafactor, {}, "adafactor"),
        (optim.AdamW, {"fused": True}, "adamw"),
        (optim.AdamW, {"foreach": True}, "adamw"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*RAdam.*")
def test_classes_of_torch(cls, arguments, planned):
    plan = mt.plan(mlp(32), mlp(8), delta=mlp(16), readout=["4"], optimizer=cls, clips=False)
    assert plan.optimizer == planned
    model = mt.apply(seeded(mlp, 32), plan, init="fan-in")
    made = mt.optimizer(cls, model, plan, lr=0.01, **arguments)
    assert type(made) is cls
    found = losses(model, made, vectors, 5)
    assert found[-1] < found[0]


def test_subclasses_count_as_their_base():
    class Mine(optim.AdamW):
        pass

    plan = mt.plan(mlp(32), mlp(8), delta=mlp(16), readout=["4"], optimizer=Mine)
    assert plan.optimizer == "adamw"
    instance = optim.Adam(mlp(8).parameters(), decoupled_weight_decay=True)
    plan = mt.plan(mlp(32), mlp(8), delta=mlp(16), readout=["4"], optimizer=instance)
    assert (plan.optimizer, plan.decay) == ("adam", "times-lr")


def test_what_arguments_make_of_a_class():
    weight = [nn.Parameter(torch.ones(2, 2))]
    named = {
        "adam": optim.SparseAdam(weight),
        "nesterov": optim.SGD(weight, momentum=0.9, nesterov=True),
        "muon-keller-jordan": optim.Muon(weight, adjust_lr_fn="original"),
        "muon-moonlight": optim.Muon(weight, adjust_lr_fn="match_rms_adamw"),
    }
    for name, made in named.items():
        plan = mt.plan(mlp(32), mlp(8), delta=mlp(16), readout=["4"], optimizer=made, clips=False)
        assert plan.optimizer == name


def test_optimizers_that_no_rule_is_for():
    for cls in (optim.LBFGS, optim.ASGD, optim.Rprop, optim.Adadelta):
        with pytest.raises(PlanError, match=f"no rule is known for the optimizer {cls.__name__}"):
            mt.plan(mlp(32), mlp(8), readout=["4"], optimizer=cls)
    with pytest.raises(PlanError, match="no rule holds for optimizer `adadelta`"):
        mt.plan(mlp(32), mlp(8), readout=["4"], optimizer="adadelta")


def test_a_plan_for_another_optimizer():
    plan = mt.plan(mlp(32), mlp(8), delta=mlp(16), readout=["4"], optimizer=optim.SGD)
    with pytest.raises(PlanError) as refused:
        mt.optimizer(optim.AdamW, mlp(32), plan, lr=0.1)
    assert str(refused.value) == (
        'the plan is for sgd, and AdamW steps as adamw\n  hint: plan with optimizer="adamw"'
    )
    plan = mt.plan(mlp(32), mlp(8), delta=mlp(16), readout=["4"], optimizer=optim.Adam)
    with pytest.raises(PlanError, match='decay="times-lr"'):
        mt.optimizer(optim.Adam, mlp(32), plan, lr=0.1, decoupled_weight_decay=True)
    with pytest.warns(PlanWarning, match="MU009"):
        mt.optimizer(optim.Adam, mlp(32), plan, lr=0.1, weight_decay=0.1)


def test_muon_takes_hidden_matrices_and_adam_the_rest():
    build, readouts, batch = MODELS["gpt"]
    plan = mt.plan(build(64), build(16), delta=build(32), readout=readouts, optimizer=optim.Muon)
    assert plan.optimizer == "muon-keller-jordan"
    model = mt.apply(seeded(build, 64), plan, init="fan-in")
    muon, adam = mt.optimizers(model, plan, lr=0.02, adam_lr=0.01)
    hidden = [name for group in muon.param_groups for name in group["param_names"]]
    assert hidden == sorted(name for name, param in plan.params.items() if param.role == "hidden")
    rest = [name for group in adam.param_groups for name in group["param_names"]]
    assert sorted(hidden + rest) == sorted(plan.params)
    both = lambda: (muon.step(), adam.step())
    model(batch(torch.Generator().manual_seed(0))).square().mean().backward()
    both()
    with pytest.raises(PlanError, match=r"mutransfer\.torch\.optimizers"):
        mt.optimizer(optim.Muon, model, plan, lr=0.1)


def test_the_plan_is_checked_against_a_trainer():
    plan = mt.plan(mlp(64), mlp(8), delta=mlp(16), readout=["4"], optimizer=optim.AdamW)
    model = mt.apply(seeded(mlp, 64), plan, init="fan-in")
    made = mt.optimizer(optim.AdamW, model, plan, lr=0.1, weight_decay=0.5, no_decay=["*.bias"])
    assert mt.check(model, plan, made, lr=0.1, weight_decay=0.5) == []
    flag_set_too_late = seeded(mlp, 64)
    forgotten = optim.AdamW(flag_set_too_late.parameters(), lr=0.1, weight_decay=0.5)
    found = mt.check(flag_set_too_late, plan, forgotten, lr=0.1, weight_decay=0.5)
    assert {one.code for one in found} == {"MU012"}
    said = {one.parameter: one.message for one in found if "lr is" in one.message}
    assert said == {
        "2.weight": "lr is 0.1, the plan has 0.0125; weight_decay is 0.5, the plan has 4; "
        "eps is 0.00000001, the plan has 0.00000000125"
    }
    assert found[-1].parameter == "4.weight"
    assert found[-1].message.startswith(
        "its multiplier in the forward pass is 1, the plan has 0.125"
    )
    del made.param_groups[0]
    found = mt.check(model, plan, made, lr=0.1, weight_decay=0.5)
    assert "is in no group of the trainer" in found[0].message


def test_a_checkpoint_of_another_plan_is_found():
    """Where nothing loaded it by `load_state_dict`, which refuses it itself."""
    plan, other = (
        mt.plan(mlp(64), mlp(width), delta=mlp(2 * width), readout=["4"]) for width in (8, 16)
    )
    model = mt.apply(seeded(mlp, 64), plan, init="fan-in")
    assert mt.check(model, plan) == []
    found = [one for one in mt.check(model, other) if one.code == "MU020"]
    assert [(one.title, one.parameter, one.message) for one in found] == [
        (
            "checkpoint of another plan",
            None,
            f"the record of the weights is {plan.hash[:16]}, the plan is {other.hash[:16]}",
        )
    ]
    with pytest.raises(PlanMismatch) as refused:
        mt.param_groups(model, other, lr=0.1)
    assert str(refused.value) == (
        f"the weights are of plan {plan.hash[:16]}, and this is plan {other.hash[:16]}\n"
        "  hint: plan with the base, rule and optimizer that they were trained with"
    )


class Scaled(nn.Module):
    """Multiplies its embedding by the root of the width, as some do."""

    def __init__(self, width, scale=None):
        super().__init__()
        self.table, self.head = nn.Embedding(8, width), nn.Linear(width, 8)
        self.embed_scale = scale or width**0.5
        self.register_buffer("logit_scale", torch.tensor(1 / width))

    def forward(self, ids):
        return self.head(self.table(ids) * self.embed_scale) * self.logit_scale


def test_factors_of_the_models_own_are_found():
    plan = mt.plan(Scaled(64), Scaled(16), delta=Scaled(32), readout=["head"])
    model = mt.apply(Scaled(64), plan, init="fan-in")
    found = mt.check(model, plan, base=Scaled(16))
    assert [(one.code, one.parameter, one.message) for one in found] == [
        ("MU019", "", "`embed_scale` is 4 in the base and 8 here"),
        ("MU019", "", "`logit_scale` is 0.0625 in the base and 0.015625 here"),
    ]
    fixed = mt.apply(Scaled(64, scale=4.0), plan, init="fan-in")
    assert [one.message for one in mt.check(fixed, plan, base=Scaled(16))] == [found[1].message]


def test_an_optimizer_is_compared_with_a_rate():
    plan = mt.plan(mlp(64), mlp(8), delta=mlp(16), readout=["4"])
    made = optim.AdamW(mlp(64).parameters())
    with pytest.raises(PlanError) as refused:
        mt.check(mlp(64), plan, made)
    assert str(refused.value) == ("an optimizer is to be compared\n  hint: give lr=, the base's")
