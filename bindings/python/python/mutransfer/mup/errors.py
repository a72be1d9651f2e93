"""What `mup` asserts, as errors that say what to do."""

from __future__ import annotations

from mutransfer.errors import MutransferError


class MupError(MutransferError, AssertionError):
    """Where `mup` has an assertion."""


class RescaledError(MutransferError, RuntimeError):
    """Initial weights that would be scaled twice."""


def unset(what: str) -> MupError:
    """For a parameter without base shapes."""
    return MupError(
        f"{what} does not have `infshape`",
        hint="call set_base_shapes on the model; after FSDP or deepcopy, reattach(model)",
    )
