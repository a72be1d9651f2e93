"""Readouts, as `mup.layer` has them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import Linear

from mutransfer.mup.errors import RescaledError, unset


class MuReadout(Linear):
    """A linear layer from a width to something of fixed size: logits, classes, a value.

    Its input is divided by the width multiplier, and its weights start with the same standard
    deviation at every width.
    """

    is_readout = True
    # Kept here too, as copies and wrappers of parameters lose their attributes.
    _width_mult: float | None = None
    _has_rescaled_params = False

    def __init__(
        self, *args: Any, readout_zero_init: bool = False, output_mult: float = 1.0, **kwargs: Any
    ) -> None:
        self.output_mult = output_mult
        self.readout_zero_init = readout_zero_init
        super().__init__(*args, **kwargs)

    def reset_parameters(self) -> None:
        """Draws the weights as torch does, or starts them at zero."""
        if not self.readout_zero_init:
            super().reset_parameters()
            return
        with torch.no_grad():
            self.weight.zero_()
            if self.bias is not None:
                self.bias.zero_()

    def width_mult(self) -> float:
        """The size of its input over that of the base."""
        if not torch.compiler.is_compiling():
            infshape = getattr(self.weight, "infshape", None)
            if infshape is not None:
                return float(infshape.width_mult())
        if self._width_mult is None:
            raise unset("the weight of a MuReadout")
        return self._width_mult

    def _rescale_parameters(self) -> None:
        """Makes up for the 1/sqrt(fan_in) of torch's initialiser; only once."""
        once(self)
        factor = math.sqrt(self.width_mult())
        with torch.no_grad():
            for parameter in self._rescaled():
                parameter.mul_(factor)
        self._has_rescaled_params = True

    def _rescaled(self) -> list[torch.Tensor]:
        return [own for own in (self.bias, self.weight) if own is not None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of `x`."""
        return super().forward(self.output_mult * x / self.width_mult())


class MuSharedReadout(MuReadout):
    """A readout that shares its weight with an embedding, which keeps its standard deviation."""

    def __init__(self, weight: nn.Parameter, bias: bool = True, **kwargs: Any) -> None:
        entries, width = weight.shape
        super().__init__(width, entries, bias=bias, **kwargs)
        self.weight = weight

    def _rescaled(self) -> list[torch.Tensor]:
        return [own for own in (self.bias,) if own is not None]


def rescale_linear_bias(linear: nn.Module) -> None:
    """Makes up for the 1/sqrt(fan_in) of torch's initialiser of biases; only once."""
    once(linear)
    bias = linear.bias
    if not isinstance(bias, nn.Parameter):
        return
    infshape = getattr(linear.weight, "infshape", None)
    if infshape is None:
        raise unset("the weight of a layer")
    with torch.no_grad():
        bias.mul_(math.sqrt(infshape[1].width_mult()))
    linear._has_rescaled_params = True  # type: ignore[assignment]  # noqa: SLF001


def once(module: nn.Module) -> None:
    """Refuses what has been rescaled before.

    Raises:
        RescaledError: With the ways out.
    """
    if getattr(module, "_has_rescaled_params", False):
        raise RescaledError(
            "the parameters of this layer have been rescaled before",
            hint="for a model from a checkpoint, or to set base shapes anew, use "
            "rescale_params=False; to rescale again, set `_has_rescaled_params=False` before",
        )
