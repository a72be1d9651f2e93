"""Initialisers, as `mup.init` has them: torch's at the base, scaled by the rule elsewhere."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import init as theirs

from mutransfer.mup.errors import MupError, unset
from mutransfer.mup.infshape import InfDim, InfShape
from mutransfer.mup.rule import scales

Sampler = Callable[..., Any]


def constant_std_init_(tensor: torch.Tensor, sampler_: Sampler) -> torch.Tensor:
    """Draws with the base's standard deviation, scaled by the rule.

    Args:
        tensor: A parameter with base shapes.
        sampler_: Draws a tensor, with a `scale` as second argument.

    Returns:
        The same tensor.
    """
    scale = scales(infshape_of(tensor)).init_std
    if scale == 1:
        sampler_(tensor)
    else:
        sampler_(tensor, scale=scale)
    return tensor


def infshape_of(tensor: torch.Tensor) -> InfShape:
    """That of a parameter with base shapes.

    Raises:
        AssertionError: If it has none.
    """
    found = getattr(tensor, "infshape", None)
    if not isinstance(found, InfShape):
        raise unset(f"a parameter of sizes {list(tensor.shape)}")
    return found


def _single(tensor: torch.Tensor, is_centred: bool) -> None:
    if not is_centred and infshape_of(tensor).ninf() != 1:
        raise MupError(
            f"the mean of a parameter of sizes {list(tensor.shape)} must be 0, as not exactly one "
            "dimension is a width",
            hint="draw around 0; where a mean is meant, torch.nn.init does not scale it",
        )


def uniform_(tensor: torch.Tensor, a: float = 0, b: float = 1) -> torch.Tensor:
    """`torch.nn.init.uniform_`, with bounds that do not depend on widths."""
    _single(tensor, is_centred=a == -b)
    return constant_std_init_(tensor, lambda t, scale=1: theirs.uniform_(t, a * scale, b * scale))


def normal_(tensor: torch.Tensor, mean: float = 0, std: float = 1) -> torch.Tensor:
    """`torch.nn.init.normal_`, with a deviation that does not depend on widths."""
    _single(tensor, is_centred=mean == 0)
    return constant_std_init_(
        tensor, lambda t, scale=1: theirs.normal_(t, mean=mean * scale, std=std * scale)
    )


def trunc_normal_(
    tensor: torch.Tensor, mean: float = 0, std: float = 1, a: float = -2, b: float = 2
) -> torch.Tensor:
    """`torch.nn.init.trunc_normal_`, with numbers that do not depend on widths."""
    _single(tensor, is_centred=mean == 0 and a == -b)

    def sampler_(t: torch.Tensor, scale: float = 1) -> None:
        theirs.trunc_normal_(t, mean=mean * scale, std=std * scale, a=a * scale, b=b * scale)

    return constant_std_init_(tensor, sampler_)


def ones_(tensor: torch.Tensor) -> torch.Tensor:
    """`torch.nn.init.ones_`."""
    _single(tensor, is_centred=False)
    return constant_std_init_(tensor, lambda t, scale=1: theirs.constant_(t, scale))


def eye_(tensor: torch.Tensor) -> torch.Tensor:
    """`torch.nn.init.eye_`."""
    _single(tensor, is_centred=False)
    return theirs.eye_(tensor)


def _base_fans(tensor: torch.Tensor) -> dict[str, float]:
    """Fan-in and fan-out of the base, as torch counts them; without base sizes its own."""
    infshape = infshape_of(tensor)
    fan_in, fan_out = theirs._calculate_fan_in_and_fan_out(tensor)  # noqa: SLF001
    return {
        "fan_in": _base_of(fan_in, infshape[1]),
        "fan_out": _base_of(fan_out, infshape[0]),
    }


def _base_of(fan: int, dim: InfDim) -> float:
    if dim.base_dim is None or dim.dim is None:
        return fan
    return fan // dim.dim * dim.base_dim


def _xavier_std(tensor: torch.Tensor, gain: float) -> float:
    fans = _base_fans(tensor)
    std = gain * math.sqrt(2.0 / float(fans["fan_in"] + fans["fan_out"]))
    return std * scales(infshape_of(tensor)).init_std


def xavier_uniform_(tensor: torch.Tensor, gain: float = 1.0) -> torch.Tensor:
    """`torch.nn.init.xavier_uniform_`."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return theirs.uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: torch.Tensor, gain: float = 1.0) -> torch.Tensor:
    """`torch.nn.init.xavier_normal_`."""
    return theirs.normal_(tensor, 0.0, _xavier_std(tensor, gain))


def _kaiming_std(tensor: torch.Tensor, a: float, mode: str, nonlinearity: Any) -> float | None:
    """None for tensors without entries, of which torch warns too."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fans = _base_fans(tensor)
    if mode.lower() not in fans:
        raise ValueError(f"Mode {mode} not supported, please use one of {', '.join(fans)}")
    gain = theirs.calculate_gain(nonlinearity, a)
    return gain / math.sqrt(fans[mode.lower()]) * scales(infshape_of(tensor)).init_std


def kaiming_normal_(
    tensor: torch.Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> torch.Tensor:
    """`torch.nn.init.kaiming_normal_`."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else theirs.normal_(tensor, 0, std)


def kaiming_uniform_(
    tensor: torch.Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> torch.Tensor:
    """`torch.nn.init.kaiming_uniform_`."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return theirs.uniform_(tensor, -bound, bound)
