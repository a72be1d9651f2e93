"""What a trained model and its optimizer do differently from their plan."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import nn, optim

from mutransfer import explain
from mutransfer.errors import InitError, PlanError
from mutransfer.plan import Finding, Plan
from mutransfer.torch.forward import multipliers, recorded
from mutransfer.torch.laws import SIGMAS, deviation, drawn
from mutransfer.torch.names import clean, first_names, owned, unwrapped


def check(
    model: nn.Module,
    plan: Plan,
    optimizer: optim.Optimizer | None = None,
    base: nn.Module | None = None,
    *,
    lr: float | None = None,
    weight_decay: float = 0.0,
    eps: float = 1e-8,
    initial: bool = False,
) -> list[Finding]:
    """Compares a model and its optimizer with the plan.

    Args:
        model: The model as it is trained.
        plan: Its plan.
        optimizer: Its optimizer, at the peak of its schedule.
        base: The base model, to see which numbers of modules follow the width by themselves.
        lr: Learning rate of the base model, with `optimizer`.
        weight_decay: Weight decay of the base model; parameters without any are not compared.
        eps: Epsilon of the base model.
        initial: Whether model and base have just been built, and the plan applied: then their
            standard deviations are compared too.

    Returns:
        Findings MU012 for every number that differs, for parameters in no group, and for
        multipliers that are not in the forward pass; MU020 where the weights are those of another
        plan, and MU019 for factors of the model's own that differ from the base's.

    Raises:
        PlanError: If there is an optimizer, and no `lr` to compare it with.
        InitError: If initial weights are to be compared, and there are none of a base.
    """
    found = []
    if optimizer is not None:
        if lr is None:
            raise PlanError("an optimizer is to be compared", hint="give lr=, the base's")
        found += _optimizer(model, plan, optimizer, (lr, weight_decay, eps))
    found += _forward(model, plan) + _record(model, plan)
    if initial:
        found += _initial(model, base, plan)
    return found if base is None else found + _factors(model, base, plan)


def _optimizer(
    model: nn.Module, plan: Plan, optimizer: optim.Optimizer, hyper: tuple[float, float, float]
) -> list[Finding]:
    parameters = owned(model)
    first = first_names(parameters)
    names = {id(own.parameter): first[name] for name, own in parameters.items()}
    groups = [_group(group, names) for group in optimizer.param_groups]
    frozen = {n for n, own in parameters.items() if not own.parameter.requires_grad}
    lr, weight_decay, eps = hyper
    found = plan.compare_settings(groups, lr=lr, weight_decay=weight_decay, eps=eps)
    return [
        one for one in found if not any(f"`{name}` of the plan" in one.message for name in frozen)
    ]


def _finding(code: str, parameter: str | None, message: str) -> Finding:
    known = explain(code)
    return Finding(code, known["title"], parameter, message, known["fix"])


def _initial(model: nn.Module, base: nn.Module | None, plan: Plan) -> list[Finding]:
    if base is None:
        raise InitError(
            "initial weights are to be compared, and there is no base",
            hint="give base=, a base model that has just been built",
        )
    own, others = owned(model), owned(base)
    found = []
    for name in sorted(plan.params.keys() & others.keys()):
        before, now = (deviation([drawn(name, of[name])]) for of in (others, own))
        scale = plan.params[name].init_scale
        wanted = before.std * scale
        if min(now.std, wanted) == 0:
            is_planned = now.std == wanted
        else:
            is_planned = now.away(before, scale) <= SIGMAS
        if not is_planned:
            message = f"its standard deviation is {now.std:.4g}, the plan has {wanted:.4g}"
            found.append(_finding("MU012", name, message))
    return found


def _record(model: nn.Module, plan: Plan) -> list[Finding]:
    held = recorded(model)
    if held is None or held == plan.hash[: len(held)]:
        return []
    message = f"the record of the weights is {held[:16]}, the plan is {plan.hash[:16]}"
    return [_finding("MU020", None, message)]


def _factors(model: nn.Module, base: nn.Module, plan: Plan) -> list[Finding]:
    own, others = dict(_numbers(model)), dict(_numbers(base))
    found = []
    for (path, name), value in own.items():
        before = others.get((path, name), value)
        is_planned = plan.forward.attention is not None and math.isclose(
            value, plan.forward.attention, rel_tol=1e-6
        )
        if value != before and not is_planned:
            message = f"`{name}` is {before:.6g} in the base and {value:.6g} here"
            found.append(_finding("MU019", path, message))
    return found


def _numbers(model: nn.Module) -> Iterator[tuple[tuple[str, str], float]]:
    """Numbers that modules have as attributes or buffers, by path and name."""
    for path, module in unwrapped(model).named_modules():
        for name, value in vars(module).items():
            if isinstance(value, float):
                yield (clean(path), name), value
        for name, held in module.named_buffers(recurse=False):
            if held.numel() == 1 and held.is_floating_point() and not held.is_meta:
                yield (clean(path), name), float(held)


def _group(group: dict[str, object], names: dict[int, str]) -> dict[str, object]:
    """A group as JSON, with names; decay and epsilon that it does not have are left out."""
    kept: dict[str, object] = {}
    for key in ("lr", "weight_decay", "eps"):
        value = group.get(key)
        if isinstance(value, (int, float, torch.Tensor)) and not (
            key == "weight_decay" and value == 0
        ):
            kept[key] = float(value)
    params = group["params"]
    assert isinstance(params, list)  # noqa: S101  (torch's own)
    return {**kept, "params": [names.get(id(p), "a parameter of no module") for p in params]}


def _forward(model: nn.Module, plan: Plan) -> list[Finding]:
    own, parameters = multipliers(model), owned(model)
    found = []
    for name, factor in plan.multipliers().items():
        if name in parameters and parameters[name].local != "weight":
            continue
        held = own.get(name.rpartition(".")[0], 1.0)
        if held != factor:
            found.append(
                Finding(
                    "MU012",
                    "setting differs from the plan",
                    name,
                    f"its multiplier in the forward pass is {held:.6g}, the plan has {factor:.6g}",
                    "mutransfer.torch.apply puts it there; what the model does itself is not seen",
                )
            )
    return found
