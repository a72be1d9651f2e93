"""Few runs to a good learning rate, or to several hyperparameters at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from mutransfer import _core


class Run(NamedTuple):
    """A run that a search asks for."""

    number: int
    values: dict[str, float]


class Search:
    """A search that a training loop asks for runs and tells their losses.

    What is `"auto"` is found; `{"auto": True, "start": 0.1, "from": 0.001, "to": 10}` says where to
    begin and where to stay. A learning rate, a batch size, weight decay, betas and multipliers are
    known by their names, and searched in coordinates that decouple them; any other positive number
    needs a start. The same losses ask for the same runs, whatever `at_once` workers finish first.

    >>> search = Search({"lr": "auto"}, tolerance=0.002)
    >>> import math
    >>> for run in search:
    ...     search.tell(run, 2.3 + 0.01 * (math.log2(run.values["lr"]) + 9.3) ** 2)
    >>> found = search.report()
    >>> round(math.log2(found["best"]["lr"])), found["report"]["runs"] < 8
    (-9, True)
    """

    def __init__(
        self,
        keys: Mapping[str, Any],
        *,
        tolerance: float = 0.002,
        budget: int = 40,
        at_once: int = 1,
        seed: int = 0,
    ) -> None:
        """Take hyperparameters by their names, and how to go about it.

        `tolerance` is the expected regret at which it ends, in units of the loss, `budget` the
        number of runs at most, and `at_once` how many are asked for at a time.
        """
        how = {"tolerance": tolerance, "budget": budget, "at_once": at_once, "seed": seed}
        self._search = _core.Search(json.dumps({**keys, "search": how}))

    def ask(self) -> list[Run]:
        """Give the runs without a loss, the next round if all have one; none once it is over."""
        return [Run(*run) for run in self._search.ask()]

    def __iter__(self) -> Iterator[Run]:
        """Give run after run, each of which is to be told, until the search is over."""
        while runs := self.ask():
            yield from runs

    def tell(self, run: Run | int, losses: float | Iterable[float]) -> None:
        """Take the loss of a run, or one for each seed: the same seeds in their order for all runs.

        One that is not finite says that the run diverged.
        """
        number = run.number if isinstance(run, Run) else run
        # A number of numpy or torch has no dimensions, and cannot be looped over.
        if isinstance(losses, Iterable) and getattr(losses, "ndim", 1) > 0:
            self._search.tell(number, [float(loss) for loss in losses])
        else:
            self._search.tell(number, [float(cast("float", losses))])

    def report(self) -> dict[str, Any] | None:
        """Say what was found so far; nothing while every run diverged.

        `best` has the recommended values and `confirm` these and their neighbours, to be run with
        shared seeds; `said` says what it is worth in words, and `report` in numbers, in octaves.
        """
        text = self._search.report()
        return None if text is None else json.loads(text)
