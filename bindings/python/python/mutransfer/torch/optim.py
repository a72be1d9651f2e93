"""Optimizers of torch with the groups of a plan, and a guard of their ratios."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import torch
from torch import nn, optim

from mutransfer import _core, explain
from mutransfer.errors import PlanError, PlanMismatch, PlanWarning, ScheduleError
from mutransfer.plan import Plan
from mutransfer.torch.forward import same_names, same_record
from mutransfer.torch.names import first_names, owned
from mutransfer.torch.optimizers import is_same, planned_for

NoDecay: TypeAlias = Sequence[str] | Callable[[str, nn.Parameter], bool]
Own = TypeVar("Own", bound=optim.Optimizer)

_SCALE = "planned_lr_scale"
_TOLERANCE = 1e-6
# Optimizers that add weight decay to a gradient whose size they keep.
_KEEP_SIZES = frozenset({"sgd", "momentum", "nesterov", "lars", "lamb"})


def param_groups(
    model: nn.Module,
    plan: Plan,
    *,
    lr: float,
    weight_decay: float = 0.0,
    eps: float | None = 1e-8,
    no_decay: NoDecay = (),
) -> list[dict[str, Any]]:
    """Groups for an optimizer of torch: one for each set of numbers.

    Args:
        model: The planned model; frozen parameters are left out.
        plan: Its plan.
        lr: Learning rate of the base model.
        weight_decay: Weight decay of the base model, in the convention `plan.decay`.
        eps: Epsilon of the base model; none for optimizers that have none.
        no_decay: Patterns of parameters without decay, or a function of name and parameter.

    Returns:
        Groups with named parameters, `lr`, `weight_decay`, `eps` and `planned_lr_scale`.

    Raises:
        PlanMismatch: If plan and model do not have the same parameters.
    """
    same_names(plan, model)
    same_record(plan, model)
    parameters = owned(model)
    canonical = first_names(parameters)
    # Sorted as the plan is, but called as the model calls them.
    groups: dict[tuple[float, ...], dict[str, Any]] = {}
    for name, setting in plan.settings(lr, weight_decay, eps or 0.0).items():
        parameter = parameters[name].parameter
        if canonical[name] != name or not parameter.requires_grad:
            continue
        decay = 0.0 if _is_spared(name, parameter, no_decay) else setting.weight_decay
        if plan.decay == "independent":
            decay /= setting.lr
        numbers = {"lr": setting.lr, "weight_decay": decay}
        if eps is not None:
            numbers["eps"] = setting.eps
        scale = plan.params[name].lr
        group = groups.setdefault(
            (*numbers.values(), scale), {"params": [], **numbers, _SCALE: scale}
        )
        group["params"].append((name, parameter))
    return list(groups.values())


def optimizer(
    cls: type[Own],
    model: nn.Module,
    plan: Plan,
    *,
    lr: float,
    weight_decay: float = 0.0,
    eps: float = 1e-8,
    no_decay: NoDecay = (),
    guarded: bool = True,
    **arguments: Any,
) -> Own:
    """An optimizer of torch whose groups have the plan's numbers.

    Args:
        cls: A class of torch, such as `torch.optim.AdamW`.
        model: The model to which the plan was applied.
        plan: Its plan, made for this optimizer.
        lr: Learning rate of the base model.
        weight_decay: Weight decay of the base model, in the convention `plan.decay`.
        eps: Epsilon of the base model; Adafactor, which has two of another kind, keeps its own.
        no_decay: Patterns of parameters without decay, or a function of name and parameter.
        guarded: Whether every step checks that a schedule kept the ratios of learning rates.
        **arguments: Whatever else the class takes, such as `betas` and `fused`.

    Returns:
        An instance of `cls`.

    Raises:
        PlanError: If the plan is for another optimizer.
        PlanMismatch: If plan and model do not have the same parameters.

    >>> import mutransfer.torch as mt
    >>> build = lambda w: nn.Sequential(nn.Linear(8, w), nn.Linear(w, w), nn.Linear(w, 3))
    >>> model = build(256)
    >>> plan = mt.plan(model, build(32), delta=build(64), readout=["2"], optimizer=torch.optim.Adam)
    >>> made = optimizer(torch.optim.Adam, model, plan, lr=0.01)
    >>> sorted({group["lr"] for group in made.param_groups})
    [0.00125, 0.01]
    """
    fits(plan, cls, **arguments)
    if plan.optimizer.startswith("muon"):
        raise PlanError(
            f"{cls.__name__} takes hidden matrices only",
            hint="mutransfer.torch.optimizers makes it, and an AdamW for the rest",
        )
    if weight_decay and plan.decay == "l2" and plan.optimizer not in _KEEP_SIZES:
        why = explain("MU009")
        warnings.warn(f"[MU009] {why['why']} {why['fix']}", PlanWarning, stacklevel=2)
    own_eps = inspect.signature(cls).parameters.get("eps")
    has_eps = own_eps is not None and isinstance(own_eps.default, float)
    groups = param_groups(
        model,
        plan,
        lr=lr,
        weight_decay=weight_decay,
        eps=eps if has_eps else None,
        no_decay=no_decay,
    )
    made = cls(groups, lr=lr, **arguments)  # type: ignore[call-arg]
    if guarded:
        guard(made, plan)
    return made


def fits(plan: Plan, cls: type[optim.Optimizer], **arguments: Any) -> None:
    """Refuses a plan for another optimizer.

    Raises:
        PlanError: With the name of both.
    """
    name, own_decay = planned_for(cls, **arguments)
    if not is_same(name, plan.optimizer):
        raise PlanError(
            f"the plan is for {plan.optimizer}, and {cls.__name__} steps as {name}",
            hint=f'plan with optimizer="{name}"',
        )
    if own_decay and own_decay != plan.decay:
        raise PlanError(
            f"the plan has {plan.decay} decay, and {cls.__name__} with these arguments {own_decay}",
            hint=f'plan with decay="{own_decay}"',
        )


def guard(optimizer: optim.Optimizer, plan: Plan) -> optim.Optimizer:
    """Lets every step check that the ratios of learning rates are still the plan's.

    A schedule that multiplies keeps them; one that sets a rate, or has a floor, erases them
    without a word.

    Args:
        optimizer: One with the groups of `param_groups`.
        plan: The plan.

    Returns:
        The same optimizer.

    Raises:
        PlanMismatch: If its groups are not those of a plan.
    """
    if not all(_SCALE in group for group in optimizer.param_groups):
        raise PlanMismatch(
            "the groups of this optimizer are not those of a plan",
            hint="make them with mutransfer.torch.param_groups",
        )
    optimizer.register_step_pre_hook(Guard(plan.hash))
    return optimizer


class Guard:
    """Compares ratios of learning rates before every step."""

    def __init__(self, plan_hash: str) -> None:
        self.hash = plan_hash
        self.has_stepped = False

    def __call__(self, optimizer: optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        rates = [group["lr"] for group in optimizer.param_groups]
        on_device = any(isinstance(rate, torch.Tensor) and not rate.is_cpu for rate in rates)
        if on_device and self.has_stepped:
            return
        self.has_stepped = True
        unscaled = [
            float(rate) / group[_SCALE]
            for rate, group in zip(rates, optimizer.param_groups, strict=True)
        ]
        first = unscaled[0] if unscaled else 0.0
        for at, own in enumerate(unscaled):
            if not math.isclose(own, first, rel_tol=_TOLERANCE):
                _erased(optimizer, at, first)


def _erased(optimizer: optim.Optimizer, at: int, first: float) -> None:
    group = optimizer.param_groups[at]
    names = group.get("param_names") or ["its parameters"]
    raise ScheduleError(
        f"group {at} (`{names[0]}` and {len(group['params']) - 1} more) has the learning rate "
        f"{float(group['lr']):.6g}, and beside that of group 0 the plan has "
        f"{first * group[_SCALE]:.6g}",
        hint="a schedule must multiply: CosineAnnealingLR with eta_min=0, OneCycleLR, CyclicLR and "
        'SWALR with a list of rates ([g["lr"] for g in optimizer.param_groups]), '
        "ReduceLROnPlateau with a list for min_lr and eps=0, or LambdaLR",
        parameters=names,
    )


def _is_spared(name: str, parameter: nn.Parameter, no_decay: NoDecay) -> bool:
    if callable(no_decay):
        return no_decay(name, parameter)
    return any(_core.matches(name, pattern) for pattern in no_decay)


def optimizers(
    model: nn.Module,
    plan: Plan,
    *,
    lr: float,
    adam_lr: float,
    weight_decay: float = 0.0,
    eps: float = 1e-8,
    no_decay: NoDecay = (),
    **arguments: Any,
) -> tuple[optim.Optimizer, optim.Optimizer]:
    """Muon for hidden matrices and AdamW for the rest, as the plan of a Muon has it.

    Args:
        model: The model to which the plan was applied.
        plan: Its plan, for `torch.optim.Muon`.
        lr: Learning rate of Muon on the base model.
        adam_lr: Learning rate of AdamW on the base model.
        weight_decay: Weight decay of both on the base model.
        eps: Epsilon of AdamW on the base model.
        no_decay: Patterns of parameters without decay, or a function of name and parameter.
        **arguments: Whatever else Muon takes.

    Returns:
        Both, each guarded.

    Raises:
        PlanError: If the plan is not for Muon.
    """
    fits(plan, optim.Muon, **arguments)

    def groups(rate: float, own_eps: float | None, *, hidden: bool) -> list[dict[str, Any]]:
        made = param_groups(
            model, plan, lr=rate, weight_decay=weight_decay, eps=own_eps, no_decay=no_decay
        )
        for group in made:
            group["params"] = [
                (name, own)
                for name, own in group["params"]
                if (plan.params[name].role == "hidden") == hidden
            ]
        return [group for group in made if group["params"]]

    muon = optim.Muon(groups(lr, None, hidden=True), lr=lr, **arguments)
    adam = optim.AdamW(groups(adam_lr, eps, hidden=False), lr=adam_lr)
    return guard(muon, plan), guard(adam, plan)
