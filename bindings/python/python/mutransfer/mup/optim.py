"""Optimizers, as `mup.optim` has them: any class of torch, with groups by width."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW

from mutransfer.mup.errors import MupError, unset
from mutransfer.mup.infshape import InfShape
from mutransfer.mup.rule import scales
from mutransfer.mup.shape import reattach

Params: TypeAlias = nn.Module | Iterable[Any]
Group: TypeAlias = dict[str, Any]

__all__ = ["SGD", "Adam", "AdamW", "MuAdam", "MuAdamW", "MuSGD", "process_param_groups"]


def process_param_groups(params: Params, **kwargs: Any) -> list[Group]:
    """Groups with learning rate and weight decay; those of the caller stay as they are."""
    if isinstance(params, nn.Module):
        params = reattach(params).parameters()
    given = list(params)
    if given and not isinstance(given[0], dict):
        given = [{"params": given}]
    return [
        {
            **group,
            "lr": _rate(group, kwargs),
            "weight_decay": group.get("weight_decay", kwargs.get("weight_decay", 0.0)),
        }
        for group in given
    ]


def _rate(group: Group, arguments: Group) -> Any:
    for given in (group, arguments):
        if "lr" in given:
            return given["lr"]
    raise MupError("no learning rate is given", hint="lr=, or in every group: that of the base")


def MuAdam(  # noqa: N802  (mup's name)
    params: Params, impl: Callable[..., Any] = Adam, decoupled_wd: bool = False, **kwargs: Any
) -> Any:
    """Adam, or another optimizer that normalises entries, with groups by width.

    Args:
        params: Parameters with base shapes, groups of them, or a model.
        impl: The class.
        decoupled_wd: Whether weight decay stays as it is, for one that is not multiplied by the
            learning rate.
        **kwargs: What the class takes.

    Returns:
        An instance of `impl`.
    """

    def kind(infshape: InfShape) -> tuple[str, Hashable]:
        if infshape.ninf() == 2:  # noqa: PLR2004  (fan-in and fan-out)
            return "matrix", infshape.width_mult()
        return "vector", None

    groups = []
    for group in process_param_groups(params, **kwargs):
        split = _split(group, kind, "adamw")
        if decoupled_wd:
            for one in split.values():
                one["weight_decay"] = group["weight_decay"]
        groups += _ordered(group, split, kinds=("matrix",), last="vector")
    return impl(groups, **kwargs)


def MuAdamW(params: Params, **kwargs: Any) -> Any:  # noqa: N802  (mup's name)
    """AdamW with groups by width; see `MuAdam`."""
    return MuAdam(params, impl=AdamW, **kwargs)


def MuSGD(params: Params, impl: Callable[..., Any] = SGD, **kwargs: Any) -> Any:  # noqa: N802
    """SGD, or another optimizer that steps by the gradient, with groups by width.

    Args:
        params: Parameters with base shapes, groups of them, or a model.
        impl: The class.
        **kwargs: What the class takes.

    Returns:
        An instance of `impl`.
    """

    def kind(infshape: InfShape) -> tuple[str, Hashable]:
        match infshape.ninf():
            case 0:
                return "fixed", None
            case 1:
                return "vector", infshape.width_mult()
            case _:
                others = [dim.width_mult() for dim in infshape if dim is not infshape.main]
                return "matrix", (infshape.width_mult() / max(others))

    groups = []
    for group in process_param_groups(params, **kwargs):
        split = _split(group, kind, "sgd")
        groups += _ordered(group, split, kinds=("matrix", "vector"), last="fixed")
    return impl(groups, **kwargs)


_Kind: TypeAlias = tuple[str, Hashable]


def _split(group: Group, kind: Callable[[InfShape], _Kind], optimizer: str) -> dict[_Kind, Group]:
    """One group for each kind of parameters, in the order in which they come."""
    found: dict[_Kind, Group] = {}
    for entry in group["params"]:
        parameter: torch.Tensor = entry[1] if isinstance(entry, tuple) else entry
        infshape = getattr(parameter, "infshape", None)
        if not isinstance(infshape, InfShape):
            raise unset(f"a parameter of sizes {list(parameter.shape)}")
        factors = scales(infshape, optimizer)
        own = found.setdefault(
            kind(infshape),
            {
                **group,
                "lr": group["lr"] * factors.lr,
                "weight_decay": group["weight_decay"] * factors.weight_decay,
                "params": [],
            },
        )
        own["params"].append(entry)
    return found


def _ordered(
    group: Group, split: dict[_Kind, Group], kinds: tuple[str, ...], last: str
) -> list[Group]:
    """As mup orders groups, the last one empty if need be, so that its checkpoints load."""
    ordered = [own for wanted in kinds for (kind, _), own in split.items() if kind == wanted]
    return [*ordered, split.get((last, None), {**group, "params": []})]
