"""Initial weights: what the framework drew, times what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

import torch
from torch import nn

from mutransfer import _core
from mutransfer.errors import AlreadyApplied, InitError
from mutransfer.plan import Plan
from mutransfer.torch.forward import install, renew_record, same_names
from mutransfer.torch.laws import Measured, is_constant, laws_of
from mutransfer.torch.names import Owned, first_names, owned

Init: TypeAlias = str | Mapping[str, str]

_LAWS = ("constant", "fan-in", "fan-out", "xavier")


def apply(
    model: nn.Module,
    plan: Plan,
    *,
    init: Init = "auto",
    base: nn.Module | None = None,
    attention: str = "auto",
    handled: Collection[str] = (),
    record: bool = True,
) -> nn.Module:
    """Applies a plan to a freshly initialised model: weights, multipliers, record.

    It is `install` and then `scale_init`. Before `torch.compile`, `fully_shard` and `DDP`.

    Args:
        model: The planned model; it is changed.
        plan: Its plan.
        init: How the model's own initial weights follow its sizes: `constant` (the same standard
            deviation at any width, as in GPT-2), `fan-in` (torch's layers), `fan-out`, `xavier`, or
            these by patterns of names; `auto` measures it against `base`; `keep` leaves the weights
            as they are, as after loading a checkpoint.
        base: The base model with real weights, for `auto`.
        attention: See `install`.
        handled: See `install`.
        record: See `install`.

    Returns:
        The same model.

    Raises:
        InitError: If the weights follow no known law.
        AlreadyApplied, ForwardError, PlanMismatch: See `install`.

    >>> import mutransfer.torch as mt
    >>> build = lambda w: nn.Sequential(nn.Linear(8, w), nn.ReLU(), nn.Linear(w, 3, bias=False))
    >>> model = build(256)
    >>> plan = mt.plan(model, build(32), delta=build(64), readout=["2"])
    >>> model = apply(model, plan, init="fan-in")
    """
    factors = _factors(model, plan, init, base)
    install(model, plan, attention=attention, handled=handled, record=record)
    _scale(model, factors)
    return model


def scale_init(
    model: nn.Module, plan: Plan, *, init: Init = "auto", base: nn.Module | None = None
) -> nn.Module:
    """Scales the initial weights of a model, as `apply` does, and renews its record.

    After `install`, and weights that came later, as those of a model that was on the device meta.

    Raises:
        InitError: If the weights follow no known law.
        AlreadyApplied: If they were scaled before.
    """
    _scale(model, _factors(model, plan, init, base))
    renew_record(model, plan)
    return model


def _scale(model: nn.Module, factors: Mapping[str, float]) -> None:
    parameters = owned(model)
    with torch.no_grad():
        for name, factor in factors.items():
            if factor == 0:
                parameters[name].parameter.zero_()
            elif factor != 1:
                parameters[name].parameter.mul_(factor)
    model._mutransfer_scaled = True  # type: ignore[assignment]  # noqa: SLF001


def _factors(model: nn.Module, plan: Plan, init: Init, base: nn.Module | None) -> dict[str, float]:
    """What to multiply every parameter by."""
    same_names(plan, model)
    if init == "keep":
        return {}
    if getattr(model, "_mutransfer_scaled", False):
        raise AlreadyApplied(
            "the initial weights of this model were scaled before",
            hint='build the model anew; after loading weights use init="keep"',
        )
    parameters = owned(model)
    names = [name for name, own in first_names(parameters).items() if own == name]
    laws = _chosen(names, init)
    measured = Measured(plan, parameters, base, names) if None in laws.values() else None
    found = {}
    for name in names:
        law = laws[name]
        if law is None:
            assert measured is not None  # noqa: S101  (for the type checker)
            ratio = measured.ratio(name)
        else:
            ratio = _ratio(plan, parameters, name, law)
        found[name] = plan.params[name].init_scale / ratio
    return found


def _chosen(names: list[str], init: Init) -> dict[str, str | None]:
    """The law of each parameter; none where it is to be measured."""
    given = {"*": init} if isinstance(init, str) else dict(init)
    for law in given.values():
        if law not in (*_LAWS, "auto"):
            known = ", ".join([*_LAWS, "auto", "keep"])
            raise InitError(f"`{law}` is no law of initial weights", hint=f"known: {known}")
    found: dict[str, str | None] = {}
    for name in names:
        laws = [
            law for pattern, law in given.items() if pattern == "*" or _core.matches(name, pattern)
        ]
        law = laws[-1] if laws else "auto"
        found[name] = None if law == "auto" else law
    return found


def _ratio(plan: Plan, parameters: Mapping[str, Owned], name: str, law: str) -> float:
    """By how much a law scales a parameter from base to target; biases go with their weight."""
    laws = laws_of(plan, parameters, name)
    own = parameters[name]
    if own.parameter.dim() > 1:
        return laws[law]
    is_drawn = own.parameter.is_meta or not is_constant(own.parameter)
    return (
        laws["owner's fan-in"] if law == "fan-in" and is_drawn and "owner's fan-in" in laws else 1.0
    )
