"""Which plan an optimizer of torch needs."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import optim

from mutransfer.errors import PlanError


class _Known(NamedTuple):
    optimizer: str
    # The convention of weight decay where it is not that of the name.
    decay: str | None = None


_BY_CLASS: dict[str, _Known] = {
    "SGD": _Known("sgd"),
    "Adam": _Known("adam"),
    "AdamW": _Known("adamw"),
    "NAdam": _Known("nadam"),
    "RAdam": _Known("radam"),
    "Adamax": _Known("adamax"),
    "RMSprop": _Known("rmsprop"),
    "Adagrad": _Known("adagrad"),
    "SparseAdam": _Known("adam"),
    "Adafactor": _Known("adafactor"),
    "Muon": _Known("muon-keller-jordan"),
}
# Arguments that change what an optimizer is.
_BY_ARGUMENT: dict[tuple[str, str, Any], _Known] = {
    ("SGD", "nesterov", True): _Known("nesterov"),
    ("Adam", "decoupled_weight_decay", True): _Known("adam", "times-lr"),
    ("NAdam", "decoupled_weight_decay", True): _Known("nadam", "times-lr"),
    ("RAdam", "decoupled_weight_decay", True): _Known("radam", "times-lr"),
    ("Muon", "adjust_lr_fn", "match_rms_adamw"): _Known("muon-moonlight"),
}
# Names that need the same plan.
_SAME = ({"sgd", "momentum", "nesterov"},)


def planned_for(
    optimizer: str | type[optim.Optimizer] | optim.Optimizer, **arguments: Any
) -> tuple[str, str | None]:
    """Name of an optimizer for a plan, and its kind of decay where it is another than usual."""
    if isinstance(optimizer, str):
        return optimizer, None
    if isinstance(optimizer, optim.Optimizer):
        return planned_for(type(optimizer), **{**optimizer.defaults, **arguments})
    for base in optimizer.__mro__:
        if base.__module__.startswith("torch.optim") and base.__name__ in _BY_CLASS:
            # AdamW is an Adam that sets the argument itself.
            chosen = [
                (base.__name__, key, value) for key, value in arguments.items() if _plain(value)
            ]
            found = [_BY_ARGUMENT[one] for one in chosen if one in _BY_ARGUMENT]
            return (found or [_BY_CLASS[base.__name__]])[0]
    raise PlanError(
        f"no rule is known for the optimizer {optimizer.__name__}",
        hint='name the one that it steps like: optimizer="adam"; mutransfer.optimizers() lists all',
    )


def _plain(value: Any) -> bool:
    return not isinstance(value, torch.Tensor) and value.__hash__ is not None


def is_same(one: str, other: str) -> bool:
    """Whether plans for both are equal."""
    return one == other or any({one, other} <= same for same in _SAME)
