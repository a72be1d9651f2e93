"""Initial weights: what the framework drew, times what is missing."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeAlias

import torch
from torch import nn

from mutransfer import _core
from mutransfer.errors import AlreadyApplied, InitError
from mutransfer.plan import Plan
from mutransfer.torch.forward import install, same_names
from mutransfer.torch.names import Owned, first_names, owned

Init: TypeAlias = str | Mapping[str, str]

_LAWS = ("constant", "fan-in", "fan-out", "xavier")
# Standard deviations of a measured ratio within which a law is believed.
_SIGMAS = 5.0
# How much better, in squared standard deviations, the best law must fit than the next.
_CLEARLY = 12.0
# Laws that give the same within this are the same.
_SAME = 0.05


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
    """Scales the initial weights of a model, as `apply` does, and nothing else.

    Raises:
        InitError: If the weights follow no known law.
        AlreadyApplied: If they were scaled before.
    """
    _scale(model, _factors(model, plan, init, base))
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
    measured = _Measured(plan, parameters, base, names) if None in laws.values() else None
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
    laws = _laws(plan, parameters, name)
    own = parameters[name]
    if own.parameter.dim() > 1:
        return laws[law]
    is_drawn = own.parameter.is_meta or not _is_constant(own.parameter)
    return (
        laws["owner's fan-in"] if law == "fan-in" and is_drawn and "owner's fan-in" in laws else 1.0
    )


def _laws(plan: Plan, parameters: Mapping[str, Owned], name: str) -> dict[str, float]:
    """Every law that a parameter may follow, with the ratio that it gives."""
    laws = dict(plan.laws.get(name, {}))
    if not laws:
        raise InitError(
            "a plan that was read from a file does not have the sizes of the base",
            hint='plan anew with mutransfer.torch.plan, or use init="keep" after loading weights',
        )
    own = parameters[name]
    if own.parameter.dim() > 1:
        return laws
    prefix = name.removesuffix(own.local)
    weight = prefix + own.local.replace("bias", "weight")
    owner = plan.laws.get(weight, {})
    if own.local != weight.removeprefix(prefix) and "fan-in" in owner:
        laws["owner's fan-in"] = owner["fan-in"]
    return laws


class _Deviation(NamedTuple):
    """Standard deviation of some tensors together, and how many entries they have."""

    std: float
    entries: int


class _Measured:
    """Which law the weights of a model follow, from the standard deviations of base and target.

    What initialises one kind of layer initialises all of that kind, so the law is the one that fits
    all of them together; small tensors alone would leave it open.
    """

    def __init__(
        self,
        plan: Plan,
        parameters: Mapping[str, Owned],
        base: nn.Module | None,
        names: list[str],
    ) -> None:
        if base is None:
            raise InitError(
                'init="auto" measures how the weights follow the sizes, and there is no base',
                hint="give base=, a base model with real weights; or say the law: "
                'init="fan-in" for torch\'s own layers, "constant" for a fixed standard deviation',
            )
        self.parameters = parameters
        self.laws = {name: _laws(plan, parameters, name) for name in names}
        others = owned(base)
        self.base = self._deviations({name: others[name] for name in names if name in others})
        self.target = self._deviations({name: parameters[name] for name in names})
        self.of_layer: dict[object, list[str]] = {}
        for name in names:
            self.of_layer.setdefault(self._layer(name), []).append(name)

    def ratio(self, name: str) -> float:
        """By how much the framework scales a parameter by itself.

        Raises:
            InitError: If no law fits, or several do.
        """
        laws = self.laws[name]
        if self._is_open(name):
            law = self._law(self.of_layer[self._layer(name)]) or self._law([name])
            return laws[law or self._usual(name)]
        return 1.0

    def _is_open(self, name: str) -> bool:
        """Whether its law is to be known: its weights are drawn, and the laws differ."""
        base = self.base.get(self._kind(name))
        is_drawn = base is not None and base.std > 0 and self.target[self._kind(name)].std > 0
        return is_drawn and any(abs(ratio - 1) >= _SAME for ratio in self.laws[name].values())

    def _law(self, names: list[str]) -> str | None:
        """The one law that fits all of these and is clearly better than others that do."""
        kinds = {self._kind(name): name for name in names if self._is_open(name)}
        away = [self._away(name) for name in kinds.values()]
        laws = [law for law in away[0] if all(law in one and one[law] <= _SIGMAS for one in away)]
        if not laws:
            return None
        total = {law: sum(one[law] ** 2 for one in away) for law in laws}
        best = min(laws, key=total.__getitem__)
        for law in laws:
            ratios = [self.laws[name][law] / self.laws[name][best] for name in kinds.values()]
            differs = any(abs(ratio - 1) > _SAME for ratio in ratios)
            if differs and total[law] - total[best] < _CLEARLY:
                return None
        return best

    def _away(self, name: str) -> dict[str, float]:
        """How far the measured ratio is from that of each law, in standard deviations."""
        base, target = self.base[self._kind(name)], self.target[self._kind(name)]
        noise = math.sqrt(0.5 / base.entries + 0.5 / target.entries)
        measured = math.log(target.std / base.std)
        laws = self.laws[name].items()
        return {law: abs(measured - math.log(ratio)) / noise for law, ratio in laws}

    def _usual(self, name: str) -> str:
        """That of torch's own layers, where tensors are too small to tell it from others."""
        away = self._away(name)
        for law in ("fan-in", "owner's fan-in"):
            if away.get(law, math.inf) <= _SIGMAS:
                return law
        raise self._refusal(name)

    def _refusal(self, name: str) -> InitError:
        base, target = self.base[self._kind(name)], self.target[self._kind(name)]
        fitting = [law for law, away in self._away(name).items() if away <= _SIGMAS]
        found = f"{' and '.join(fitting)} fit" if fitting else "no law fits"
        listed = ", ".join(f"{law} {ratio:.4g}" for law, ratio in self.laws[name].items())
        return InitError(
            f"the standard deviation of `{name}` is {base.std:.4g} in the base and "
            f"{target.std:.4g} in the target, times {target.std / base.std:.4g}; {found} "
            f"({listed})",
            hint='say the law: init={"PATTERN": "fan-in"}, or "constant", "fan-out", "xavier"; in '
            "small models several laws may fit, and a wider base tells them apart",
            parameters=[name],
        )

    def _deviations(self, parameters: Mapping[str, Owned]) -> dict[object, _Deviation]:
        pooled: dict[object, list[torch.Tensor]] = {}
        for name, own in parameters.items():
            held = own.parameter.detach()
            if held.is_meta:
                raise InitError(
                    f'init="auto" measures weights, and `{name}` is on the device meta',
                    hint="build it on a real device, or say the law with init=",
                    parameters=[name],
                )
            pooled.setdefault(self._kind(name), []).append(held)
        return {kind: _deviation(tensors) for kind, tensors in pooled.items()}

    def _kind(self, name: str) -> object:
        """What is equal for the same parameter of all blocks, and for nothing else."""
        template = ".".join("*" if part.isdigit() else part for part in name.split("."))
        return template, self.parameters[name].parameter.shape, *self.laws[name].values()

    def _layer(self, name: str) -> object:
        """What is equal for all parameters that the same code draws."""
        own = self.parameters[name]
        return type(own.module), own.local


def _deviation(tensors: list[torch.Tensor]) -> _Deviation:
    """Around each tensor's own mean, so that gains and zeros have none."""
    drawn = [tensor for tensor in tensors if not _is_constant(tensor)]
    entries = sum(tensor.numel() for tensor in drawn)
    squares = sum(float((t.double() - t.double().mean()).square().sum()) for t in drawn)
    return _Deviation(math.sqrt(squares / entries) if entries else 0.0, entries)


def _is_constant(tensor: torch.Tensor) -> bool:
    return bool((tensor == tensor.flatten()[0]).all())
