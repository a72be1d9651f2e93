"""The coordinate check: whether a torch model follows its rule as it trains."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn, optim

from mutransfer import _core
from mutransfer.errors import PlanWarning, TableError
from mutransfer.plan import Plan
from mutransfer.torch.init import Init, apply
from mutransfer.torch.optim import optimizer as planned_optimizer
from mutransfer.torch.optimizers import planned_for
from mutransfer.torch.plan import plan
from mutransfer.torch.probe import Probe, Row
from mutransfer.torch.table import Coordinates

Build: TypeAlias = Callable[[int], nn.Module]
Loss: TypeAlias = Callable[[nn.Module, Any], torch.Tensor]
Train: TypeAlias = Callable[[nn.Module, optim.Optimizer, Any], object]


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
    seeds: int = 64,
    base_width: int | None = None,
    loss: Loss | None = None,
    modules: Sequence[str] = (),
    init: Init = "auto",
    device: torch.device | str | None = None,
    train: Train | None = None,
    **choices: Any,
) -> Coordinates:
    """Trains a model at several widths for a few steps and measures every module with a matrix.

    Seeds come in rounds, as in `mutransfer coord`: eight or so, then twice as many, until every
    quantity is decided. What is the least noisy is the soonest decided: four widths or more, a
    batch of a few tokens or images, `zero_init` of the readout and of queries.

    Args:
        build: Builds the model of a width.
        widths: Widths to measure; three or more.
        batch: One batch, given to `loss`, on `device`.
        readout: Patterns of modules that are readouts.
        rules: Rules to check, such as `("sp", "mup")`.
        optimizer: A class of torch.
        lr: Learning rate at the base.
        steps: Updates.
        seeds: Most repetitions with other initial weights.
        base_width: Width of the base; the narrowest by default.
        loss: Loss of a model on the batch; by default `.loss` of the output, or cross-entropy of
            the output for `(inputs, targets)`.
        modules: Patterns of modules to measure beside those with a matrix.
        init: How `apply` scales initial weights.
        device: Where models are trained; by default where `build` puts them.
        train: One update, given model, optimizer and batch; by default that of `loss`.
        **choices: What `plan` takes: `declare`, `axes`, `zero_init` and so on.

    Returns:
        Measurements, to judge or to write as CSV.

    Raises:
        TableError: If there are fewer than two widths.
    """
    if len(set(widths)) < 2:  # noqa: PLR2004  (a slope)
        raise TableError("a slope takes two widths", hint="give three or more, an octave apart")
    base_width = base_width or min(widths)
    choices |= {"readout": readout, "optimizer": optimizer}
    planned = {
        rule: {width: _planned(build, width, base_width, rule, choices) for width in widths}
        for rule in rules
    }
    compute = loss or usual_loss
    case = _Case(
        build=lambda width, seed: _seeded(build, width, seed, device),
        base_width=base_width if init == "auto" else None,
        init=init,
        compute=lambda model: compute(model, batch),
        optimizer=lambda model, own: planned_optimizer(optimizer, model, own, lr=lr),
        train=(lambda model, made: train(model, made, batch)) if train else None,
        probe=lambda model: Probe(model, readout=readout, modules=modules),
        steps=steps,
    )
    is_tied = any(own.forward.readout for plans in planned.values() for own in plans.values())
    table = Coordinates([], planned_for(optimizer)[0], seeds, is_tied)
    return _measured(table, planned, case)


class _Case(NamedTuple):
    """How one model is made, trained and measured."""

    build: Callable[[int, int], nn.Module]
    # Where the law of the initial weights is measured against a base.
    base_width: int | None
    init: Init
    compute: Callable[[nn.Module], torch.Tensor]
    optimizer: Callable[[nn.Module, Plan], optim.Optimizer]
    train: Callable[[nn.Module, optim.Optimizer], object] | None
    probe: Callable[[nn.Module], Probe]
    steps: int

    def rows(self, rule: str, width: int, seed: int, own: Plan) -> list[Row]:
        base = None if self.base_width is None else self.build(self.base_width, seed)
        model = apply(self.build(width, seed), own, init=self.init, base=base)
        made = self.optimizer(model, own)
        probe = self.probe(model)
        for _ in range(self.steps):
            probe.step(lambda: self.compute(model))
            self._update(model, made)
        probe.step(lambda: self.compute(model))
        return probe.rows(width=width, seed=seed, rule=rule)

    def _update(self, model: nn.Module, made: optim.Optimizer) -> None:
        if self.train:
            self.train(model, made)
            return
        made.zero_grad()
        self.compute(model).backward()  # type: ignore[no-untyped-call]
        made.step()


def _measured(
    table: Coordinates, planned: Mapping[str, Mapping[int, Plan]], case: _Case
) -> Coordinates:
    """With more seeds look by look, until all is decided or there are no more."""
    rows: dict[str, list[Row]] = {rule: [] for rule in planned}
    open_rules, first = list(planned), 0
    for look in _core.looks(table.seeds):
        for rule in open_rules:
            for width, own in planned[rule].items():
                for seed in range(first, look):
                    rows[rule] += case.rows(rule, width, seed, own)
        every = [row for own in rows.values() for row in own]
        table = replace(table, rows=_judgeable(every))
        first = look
        if look < table.seeds:
            settled = _settled(table)
            open_rules = [rule for rule in open_rules if rule not in settled]
    return table


def _settled(table: Coordinates) -> Sequence[str]:
    """Rules of which more seeds would tell no more; all, where nothing can be judged."""
    try:
        return table.judge().settled
    except TableError:
        return [str(row["rule"]) for row in table.rows]


def _planned(
    build: Build, width: int, base_width: int, rule: str, choices: Mapping[str, Any]
) -> Plan:
    with torch.device("meta"):
        target, base, delta = build(width), build(base_width), build(2 * base_width)
    with warnings.catch_warnings():
        # The narrowest model is its own base.
        warnings.filterwarnings("ignore", message=r"\[MU003\]", category=PlanWarning)
        usual = {"clips": False, "strict": False}
        return plan(target, base, delta=delta, rule=rule, **{**usual, **choices})


def usual_loss(model: nn.Module, batch: Any) -> torch.Tensor:
    """`.loss` of the output for a batch that is a dict, else cross-entropy."""
    if isinstance(batch, Mapping):
        own: torch.Tensor = model(**batch).loss
        return own
    inputs, targets = batch
    outputs = model(inputs)
    return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def _seeded(build: Build, width: int, seed: int, device: torch.device | str | None) -> nn.Module:
    torch.manual_seed(seed)
    return build(width).to(device)


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
