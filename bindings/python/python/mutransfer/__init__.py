"""Hyperparameters that transfer: rules, plans and checks, without a framework.

`mutransfer.torch` is for PyTorch. Nothing here computes a scale: all numbers come from the Rust
crate `mutransfer`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mutransfer import _core
from mutransfer.errors import (
    AlreadyApplied,
    AxesError,
    CheckFailed,
    ForwardError,
    InitError,
    MutransferError,
    PlanError,
    PlanMismatch,
    PlanWarning,
    ScheduleError,
    TableError,
)
from mutransfer.plan import Finding, Forward, ParamPlan, Plan, Setting, named, plan
from mutransfer.search import Run, Search
from mutransfer.shapes import Shape, Shapes

__version__ = _core.VERSION

__all__ = [
    "AlreadyApplied",
    "AxesError",
    "CheckFailed",
    "Finding",
    "Forward",
    "ForwardError",
    "InitError",
    "MutransferError",
    "ParamPlan",
    "Plan",
    "PlanError",
    "PlanMismatch",
    "PlanWarning",
    "Run",
    "ScheduleError",
    "Search",
    "Setting",
    "Shape",
    "Shapes",
    "TableError",
    "explain",
    "lints",
    "optimizers",
    "plan",
    "rules",
    "theory",
]


def rules() -> dict[str, str]:
    """The rules by name, with what they are.

    >>> "mup" in rules()
    True
    """
    return dict(_core.rules())


def optimizers() -> list[str]:
    """Names of the optimizers that plans can be made for.

    >>> "adamw" in optimizers()
    True
    """
    return _core.optimizers()


def theory(rule: str | Path, optimizer: str) -> dict[str, Any]:
    """What a rule does in the limit of infinite width, as `mutransfer theory` says it.

    Args:
        rule: A name of `rules()`, or the path of a table in TOML.
        optimizer: A name of `optimizers()`.

    Returns:
        Regime, exponents and updates of each layer, and the conditions that are met or not.

    Raises:
        PlanError: If the rule has no table for the optimizer.

    >>> theory("mup", "adam")["maximal_update"]
    True
    """
    found: dict[str, Any] = json.loads(_core.theory(*named(rule), optimizer))
    return found


def lints() -> list[dict[str, str]]:
    """Everything that is checked: code, title, what, why, fix and source.

    >>> lints()[0]["code"]
    'MU001'
    """
    found: list[dict[str, str]] = json.loads(_core.lints())
    return found


def explain(code: str) -> dict[str, Any]:
    """What a finding means, why it matters, and what to do.

    Raises:
        PlanError: If there is no such code.

    >>> explain("MU001")["title"]
    'readout not declared'
    """
    found: dict[str, Any] = json.loads(_core.explain(code))
    return found
