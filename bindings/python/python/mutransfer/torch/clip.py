"""Clipping of gradients that bites as hard at every width."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from mutransfer.errors import PlanError
from mutransfer.plan import Plan
from mutransfer.torch.names import first_names, owned


def clip_grad_norm_(model: nn.Module, plan: Plan, max_norm: float) -> torch.Tensor:
    """Clips gradients at a global norm in which every tensor's own counts by the plan.

    In the default form of the multipliers every tensor counts as it is, and this is
    `torch.nn.utils.clip_grad_norm_`; in others gradients of some roles grow with width.

    Args:
        model: The model to which the plan was applied, after `backward`.
        plan: Its plan.
        max_norm: Largest norm, as on the base.

    Returns:
        The norm before clipping.

    Raises:
        PlanError: If the plan clips updates, which torch's optimizers do not.
    """
    clip = plan.clip or {"of": "gradient", "factors": {}}
    if clip["of"] != "gradient":
        raise PlanError(
            "the plan clips the updates of every parameter, not the gradient",
            hint='plan without options={"clip": "update"}',
        )
    parameters = owned(model)
    first = [name for name, own in first_names(parameters).items() if own == name]
    held = {name: parameters[name].parameter for name in first}
    factors = clip["factors"]
    grads = [
        own.grad * factors[name] if name in factors else own.grad
        for name, own in held.items()
        if own.grad is not None
    ]
    norm = get_total_norm(grads)
    clip_grads_with_norm_(held.values(), max_norm, norm)
    return norm
