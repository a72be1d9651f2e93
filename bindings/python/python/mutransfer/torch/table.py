"""Measurements of a coordinate check, and the verdict on them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mutransfer import _core
from mutransfer.errors import CheckFailed
from mutransfer.torch.probe import Row

_COLUMNS = ("rule", "width", "seed", "step", "module", "layer", "quantity", "l1", "l2", "std")
_ORDER = ("pass", "undetermined", "fail")


@dataclass(frozen=True)
class Verdict:
    """What a coordinate check found.

    Attributes:
        checks: For every rule what `mutransfer coord --json` prints: verdict, diagnosis, cells.
        settled: Rules of which more seeds would tell no more.
    """

    checks: list[dict[str, Any]]
    settled: tuple[str, ...] = ()

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
    """Measurements of a coordinate check.

    Attributes:
        rows: A row for every module, quantity, step, seed, width and rule.
        optimizer: What the models were trained with.
        seeds: Most seeds that were planned; `mutransfer coord --from` takes them as `--seeds`.
        is_tied: Whether the readout is an embedding, as its `--tied` says.
    """

    rows: list[Row] = field(repr=False)
    optimizer: str
    seeds: int
    is_tied: bool = False

    def judge(self) -> Verdict:
        """The verdict of `mutransfer coord --from`, on the same rows.

        Raises:
            TableError: If they cannot be judged.
        """
        checks, settled = _core.judge_coordinates(
            self.csv(), self.optimizer, self.seeds, self.is_tied
        )
        return Verdict(json.loads(checks), tuple(settled))

    def plot(self, path: str | Path, quantity: str = "activation") -> None:
        """Draws sizes against width, as `mutransfer coord` does.

        Args:
            path: Where to; an SVG if it ends so, else a PNG.
            quantity: `activation`, `change` or `own-update`.

        Raises:
            TableError: If nothing of it has a size.
        """
        svg, png = _core.figure(self.csv(), quantity)
        is_svg = Path(path).suffix.lower() == ".svg"
        Path(path).write_bytes(svg.encode() if is_svg else png)

    def to_pandas(self) -> Any:
        """All rows as a frame of pandas, which must be there."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=list(_COLUMNS))

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
