"""A drop-in for the package `mup`: change `import mup` to `import mutransfer.mup as mup`.

Or call `mutransfer.mup.install()` before anything imports `mup`: other packages then find this one.
All numbers are those of the rule `mup` of `mutransfer`.
"""

from __future__ import annotations

import sys

from torch.nn import Linear
from torch.optim import SGD, Adam, AdamW

from mutransfer.mup import infshape, init, layer, optim, shape
from mutransfer.mup.errors import MupError, RescaledError
from mutransfer.mup.infshape import InfDim, InfShape, zip_infshape
from mutransfer.mup.init import (
    constant_std_init_,
    eye_,
    kaiming_normal_,
    kaiming_uniform_,
    normal_,
    ones_,
    trunc_normal_,
    uniform_,
    xavier_normal_,
    xavier_uniform_,
)
from mutransfer.mup.layer import MuReadout, MuSharedReadout, rescale_linear_bias
from mutransfer.mup.optim import MuAdam, MuAdamW, MuSGD, process_param_groups
from mutransfer.mup.shape import (
    apply_infshapes,
    assert_hidden_size_inf,
    clear_dims,
    get_infshapes,
    get_shapes,
    load_base_shapes,
    make_base_shapes,
    reattach,
    save_base_shapes,
    set_base_shapes,
    zip_infshapes,
)

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "InfDim",
    "InfShape",
    "Linear",
    "MuAdam",
    "MuAdamW",
    "MuReadout",
    "MuSGD",
    "MuSharedReadout",
    "MupError",
    "RescaledError",
    "apply_infshapes",
    "assert_hidden_size_inf",
    "clear_dims",
    "constant_std_init_",
    "eye_",
    "get_infshapes",
    "get_shapes",
    "infshape",
    "init",
    "install",
    "kaiming_normal_",
    "kaiming_uniform_",
    "layer",
    "load_base_shapes",
    "make_base_shapes",
    "normal_",
    "ones_",
    "optim",
    "process_param_groups",
    "reattach",
    "rescale_linear_bias",
    "save_base_shapes",
    "set_base_shapes",
    "shape",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zip_infshape",
    "zip_infshapes",
]

_MODULES = ("infshape", "init", "layer", "optim", "shape", "coord_check")


def install() -> None:
    """Lets `import mup`, here and in other packages, find this module and its parts.

    Raises:
        MupError: If another `mup` has been imported before.
    """
    from mutransfer.mup import coord_check  # noqa: F401  (it needs pandas when it is used)

    here = sys.modules[__name__]
    if sys.modules.get("mup", here) is not here:
        raise MupError(
            f"another mup is imported: {getattr(sys.modules['mup'], '__file__', 'unknown')}",
            hint="call mutransfer.mup.install() before anything imports mup",
        )
    sys.modules["mup"] = here
    for name in _MODULES:
        sys.modules[f"mup.{name}"] = sys.modules[f"{__name__}.{name}"]
