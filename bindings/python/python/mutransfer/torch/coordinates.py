"""The coordinate check: whether a torch model follows its rule as it trains."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn, optim

from mutransfer import _core
from mutransfer.errors import CheckFailed, PlanWarning, TableError
from mutransfer.plan import Plan
from mutransfer.torch.init import Init, apply
from mutransfer.torch.optim import optimizer as planned_optimizer
from mutransfer.torch.optimizers import planned_for
from mutransfer.torch.plan import plan
from mutransfer.torch.probe import Probe, Row

Build: TypeAlias = Callable[[int], nn.Module]
Loss: TypeAlias = Callable[[nn.Module, Any], torch.Tensor]

_COLUMNS = ("rule", "width", "seed", "step", "module", "layer", "quantity", "l1", "l2", "std")
_ORDER = ("pass", "undetermined", "fail")


@dataclass(frozen=True)
class Verdict:
    """What a coordinate check found.

    Attributes:
        checks: For every rule what `mutransfer coord --json` prints: verdict, diagnosis, cells.
    """

    checks: list[dict[str, Any]]

    @property
    def verdict(self) -> str:
        """The worst of all rules: `pass`, `undetermined` or `fail`."""
        return max((str(check["verdict"]) for check in self.checks), key=_ORDER.index)

    def raise_for_status(self) -> None:
        """Nothing if all rules pass.

        Raises:
            CheckFailed: With every rule that does not pass, and what is wrong with it.
        """
        if self.verdict != "pass":
            raise CheckFailed(
                str(self), hint="docs/coord.md says how it decides; more seeds decide what is open"
            )

    def __str__(self) -> str:
        told = [
            f"{check['rule']}: {check['verdict']}"
            + (f"; {check['diagnosis']}" if check["diagnosis"] else "")
            for check in self.checks
        ]
        return "\n".join(told)


@dataclass(frozen=True)
class Coordinates:
    """Measurements of a coordinate check."""

    rows: list[Row] = field(repr=False)
    optimizer: str
    seeds: int
    is_tied: bool = False

    def judge(self) -> Verdict:
        """The verdict of `mutransfer coord --from`, on the same rows.

        Raises:
            TableError: If they cannot be judged.
        """
        text = self.csv()
        checks = _core.judge_coordinates(text, self.optimizer, self.seeds, self.is_tied)
        return Verdict(json.loads(checks))

    def csv(self) -> str:
        """All rows as the CSV that `mutransfer coord --from` reads."""
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def to_csv(self, path: str | Path) -> None:
        """Writes `csv()` to a file."""
        Path(path).write_text(self.csv(), "utf-8")


def coordinates(
    build: Build,
    *,
    widths: Sequence[int],
    batch: Any,
    readout: Sequence[str] = (),
    rules: Sequence[str] = ("mup",),
    optimizer: type[optim.Optimizer] = optim.AdamW,
    lr: float = 2**-7,
    steps: int = 4,
    seeds: int = 10,
    base_width: int | None = None,
    loss: Loss | None = None,
    modules: Sequence[str] = (),
    init: Init = "auto",
    **choices: Any,
) -> Coordinates:
    """Trains a model at several widths for a few steps and measures every module with a matrix.

    Args:
        build: Builds the model of a width.
        widths: Widths to measure; three or more.
        batch: One batch, given to `loss`.
        readout: Patterns of modules that are readouts.
        rules: Rules to check, such as `("sp", "mup")`.
        optimizer: A class of torch.
        lr: Learning rate at the base.
        steps: Updates.
        seeds: Repetitions with other initial weights.
        base_width: Width of the base; the narrowest by default.
        loss: Loss of a model on the batch; by default `.loss` of the output, or cross-entropy of
            the output for `(inputs, targets)`.
        modules: Patterns of modules to measure beside those with a matrix.
        init: How `apply` scales initial weights.
        **choices: What `plan` takes: `declare`, `axes`, `zero_init` and so on.

    Returns:
        Measurements, to judge or to write as CSV.

    Raises:
        TableError: If there are fewer than two widths.
    """
    if len(set(widths)) < 2:  # noqa: PLR2004  (a slope)
        raise TableError("a slope takes two widths", hint="give three or more, an octave apart")
    base_width = base_width or min(widths)
    compute = loss or usual_loss
    rows: list[Row] = []
    is_tied = False
    for rule in rules:
        for width in widths:
            plan_of_width = _planned(
                build, width, base_width, readout=readout, rule=rule, optimizer=optimizer, **choices
            )
            is_tied = is_tied or bool(plan_of_width.forward.readout)
            for seed in range(seeds):
                base = _seeded(build, base_width, seed) if init == "auto" else None
                model = _seeded(build, width, seed)
                apply(model, plan_of_width, init=init, base=base)
                made = planned_optimizer(optimizer, model, plan_of_width, lr=lr)
                probe = Probe(model, readout=readout, modules=modules)
                for _ in range(steps):
                    probe.step(lambda model=model: compute(model, batch))  # type: ignore[misc]
                    made.zero_grad()
                    compute(model, batch).backward()  # type: ignore[no-untyped-call]
                    made.step()
                probe.step(lambda model=model: compute(model, batch))  # type: ignore[misc]
                rows += probe.rows(width=width, seed=seed, rule=rule)
    return Coordinates(_judgeable(rows), planned_for(optimizer)[0], seeds, is_tied)


def _planned(build: Build, width: int, base_width: int, **choices: Any) -> Plan:
    with torch.device("meta"):
        target, base, delta = build(width), build(base_width), build(2 * base_width)
    with warnings.catch_warnings():
        # The narrowest model is its own base.
        warnings.filterwarnings("ignore", message=r"\[MU003\]", category=PlanWarning)
        return plan(target, base, delta=delta, **{"clips": False, "strict": False, **choices})


def usual_loss(model: nn.Module, batch: Any) -> torch.Tensor:
    """`.loss` of the output for a batch that is a dict, else cross-entropy."""
    if isinstance(batch, Mapping):
        own: torch.Tensor = model(**batch).loss
        return own
    inputs, targets = batch
    outputs = model(inputs)
    return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def _seeded(build: Build, width: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build(width)


def _judgeable(rows: Iterable[Row]) -> list[Row]:
    """Without modules that start at zero at every width, before they move: they have no slope."""
    rows = list(rows)
    sizes: dict[tuple[Any, ...], float] = {}
    for row in rows:
        if row["quantity"] == "activation" and row["layer"] != "output":
            key = (row["rule"], row["module"], row["step"])
            sizes[key] = max(sizes.get(key, 0.0), float(row["l1"]))
    still = {key for key, size in sizes.items() if size == 0}
    return [row for row in rows if (row["rule"], row["module"], row["step"]) not in still]
