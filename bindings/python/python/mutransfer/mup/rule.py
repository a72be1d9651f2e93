"""The numbers of the rule, all of them from the core."""

from __future__ import annotations

from typing import NamedTuple

from mutransfer import _core
from mutransfer.mup.infshape import InfShape


class Scales(NamedTuple):
    """Factors on the numbers of the base."""

    multiplier: float
    init_std: float
    lr: float
    weight_decay: float
    eps: float


def scales(infshape: InfShape, optimizer: str = "adamw") -> Scales:
    """Those of a parameter, whose role follows from how many of its dimensions are widths.

    Raises:
        NotImplementedError: If more than two are.
    """
    growing = infshape.ninf()
    if growing > 2:  # noqa: PLR2004  (fan-in and fan-out)
        raise NotImplementedError(
            f"more than 2 inf dimensions: {infshape!r}; keep all but fan-in and fan-out equal in "
            "base and delta"
        )
    if growing == 2:  # noqa: PLR2004
        main = infshape.width_mult()
        other = next(dim for dim in infshape if dim.isinf() and dim is not infshape.main)
        return Scales(*_core.scales("mup", optimizer, "hidden", main, other.width_mult()))
    role = "input" if growing else "fixed"
    return Scales(*_core.scales("mup", optimizer, role, 1.0, infshape.width_mult()))
