"""Errors and warnings: what is wrong, where, and what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SHOWN = 10


class MutransferError(Exception):
    """What all errors of this package are.

    Attributes:
        message: What is wrong, and where.
        hint: What to do about it, if there is something general to say.
        code: The code of the finding that it is, such as `MU001`; see `mutransfer.explain`.
        parameters: Names of the parameters that it is about.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        parameters: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.parameters = tuple(parameters)

    @property
    def parameter(self) -> str | None:
        """The first of the parameters that it is about."""
        return self.parameters[0] if self.parameters else None

    def __str__(self) -> str:
        text = self.message
        if len(self.parameters) > 1:
            text += f"\n  all of these: {listed(self.parameters)}"
        if self.hint:
            text += f"\n  hint: {self.hint}"
        return text


class PlanError(MutransferError, ValueError):
    """Shapes, declarations or a rule of which no plan can be made."""


class AxesError(PlanError):
    """A parameter grows, and nothing says which of its axes a layer sums over."""


class TableError(MutransferError, ValueError):
    """A table of runs or measurements that cannot be read or judged."""


class CheckFailed(MutransferError):  # noqa: N818  (a verdict)
    """A check that did not pass."""


class InitError(MutransferError, RuntimeError):
    """Initial weights follow no known law."""


class ForwardError(MutransferError, RuntimeError):
    """A multiplier of the plan cannot be put into the forward pass."""


class AlreadyApplied(MutransferError, RuntimeError):  # noqa: N818  (said of a model)
    """The plan has been applied to this model before."""


class PlanMismatch(MutransferError, RuntimeError):  # noqa: N818  (said of a model)
    """A plan for another model, or a checkpoint of another plan."""


class ScheduleError(MutransferError, RuntimeError):
    """A schedule has erased the ratios of the learning rates."""


class PlanWarning(UserWarning):
    """A plan may not be what its user thinks."""


@contextmanager
def in_file(path: Path) -> Iterator[None]:
    """Says of what goes wrong in which file it is."""
    try:
        yield
    except MutransferError as error:
        error.message = f"{path}: {error.message}"
        raise


def listed(names: Sequence[str]) -> str:
    """Up to ten names, and how many more there are."""
    shown = ", ".join(f"`{name}`" for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
