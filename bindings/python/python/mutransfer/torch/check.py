"""What a trained model and its optimizer do differently from their plan."""

from __future__ import annotations

import torch
from torch import nn, optim

from mutransfer.plan import Finding, Plan
from mutransfer.torch.forward import multipliers
from mutransfer.torch.names import first_names, owned


def check(
    model: nn.Module,
    plan: Plan,
    optimizer: optim.Optimizer,
    *,
    lr: float,
    weight_decay: float = 0.0,
    eps: float = 1e-8,
) -> list[Finding]:
    """Compares a model and its optimizer with the plan.

    Args:
        model: The model as it is trained.
        plan: Its plan.
        optimizer: Its optimizer, at the peak of its schedule.
        lr: Learning rate of the base model.
        weight_decay: Weight decay of the base model; parameters without any are not compared.
        eps: Epsilon of the base model.

    Returns:
        Findings MU012 for every number that differs, for parameters in no group, and for
        multipliers that are not in the forward pass.
    """
    parameters = owned(model)
    first = first_names(parameters)
    names = {id(own.parameter): first[name] for name, own in parameters.items()}
    groups = [_group(group, names) for group in optimizer.param_groups]
    frozen = {n for n, own in parameters.items() if not own.parameter.requires_grad}
    found = plan.compare_settings(groups, lr=lr, weight_decay=weight_decay, eps=eps)
    found = [
        one for one in found if not any(f"`{name}` of the plan" in one.message for name in frozen)
    ]
    return found + _forward(model, plan)


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
