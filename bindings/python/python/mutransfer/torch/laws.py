"""Which law the initial weights of a model follow as its sizes grow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

from mutransfer.errors import InitError
from mutransfer.plan import Plan
from mutransfer.torch.names import Owned, owned

# Standard deviations of a measured ratio within which a law is believed.
SIGMAS = 5.0
# How much better, in squared standard deviations, the best law must fit than the next.
_CLEARLY = 12.0
# Laws that give the same within this are the same.
_SAME = 0.05


def laws_of(plan: Plan, parameters: Mapping[str, Owned], name: str) -> dict[str, float]:
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


class Deviation(NamedTuple):
    """Standard deviation of some tensors together, and how many entries they have."""

    std: float
    entries: int

    def away(self, base: Deviation, ratio: float) -> float:
        """How far it is from so many times the base's, in standard deviations of that."""
        noise = math.sqrt(0.5 / base.entries + 0.5 / self.entries)
        return abs(math.log(self.std / base.std) - math.log(ratio)) / noise


class Measured:
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
        self.laws = {name: laws_of(plan, parameters, name) for name in names}
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
        laws = [law for law in away[0] if all(law in one and one[law] <= SIGMAS for one in away)]
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
        return {law: target.away(base, ratio) for law, ratio in self.laws[name].items()}

    def _usual(self, name: str) -> str:
        """That of torch's own layers, where tensors are too small to tell it from others."""
        away = self._away(name)
        for law in ("fan-in", "owner's fan-in"):
            if away.get(law, math.inf) <= SIGMAS:
                return law
        raise self._refusal(name)

    def _refusal(self, name: str) -> InitError:
        base, target = self.base[self._kind(name)], self.target[self._kind(name)]
        fitting = [law for law, away in self._away(name).items() if away <= SIGMAS]
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

    def _deviations(self, parameters: Mapping[str, Owned]) -> dict[object, Deviation]:
        pooled: dict[object, list[torch.Tensor]] = {}
        for name, own in parameters.items():
            pooled.setdefault(self._kind(name), []).append(drawn(name, own))
        return {kind: deviation(tensors) for kind, tensors in pooled.items()}

    def _kind(self, name: str) -> object:
        """What is equal for the same parameter of all blocks, and for nothing else."""
        template = ".".join("*" if part.isdigit() else part for part in name.split("."))
        return template, self.parameters[name].parameter.shape, *self.laws[name].values()

    def _layer(self, name: str) -> object:
        """What is equal for all parameters that the same code draws."""
        own = self.parameters[name]
        return type(own.module), own.local


def drawn(name: str, own: Owned) -> torch.Tensor:
    """The weights of a parameter.

    Raises:
        InitError: If it has none.
    """
    held = own.parameter.detach()
    if held.is_meta:
        raise InitError(
            f"initial weights are measured, and `{name}` is on the device meta",
            hint="build the model on a real device, or say the law with init=",
            parameters=[name],
        )
    return held


def deviation(tensors: list[torch.Tensor]) -> Deviation:
    """Around each tensor's own mean, so that gains and zeros have none."""
    varied = [tensor for tensor in tensors if not is_constant(tensor)]
    entries = sum(tensor.numel() for tensor in varied)
    squares = sum(float((t.double() - t.double().mean()).square().sum()) for t in varied)
    return Deviation(math.sqrt(squares / entries) if entries else 0.0, entries)


def is_constant(tensor: torch.Tensor) -> bool:
    """Whether all entries are equal, as in gains and zeros."""
    return bool((tensor == tensor.flatten()[0]).all())
