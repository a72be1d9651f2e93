"""Plans for models of PyTorch, applied: initial weights, multipliers, optimizer groups.

Four lines for a model that is already written::

    plan = mt.plan(model, base, delta=delta, readout=["head"], optimizer=torch.optim.AdamW)
    mt.apply(model, plan, init="constant")
    optimizer = mt.optimizer(torch.optim.AdamW, model, plan, lr=1e-2, weight_decay=0.1)
"""

from __future__ import annotations

from mutransfer.plan import Plan
from mutransfer.torch.check import check
from mutransfer.torch.clip import clip_grad_norm_
from mutransfer.torch.coordinates import coordinates
from mutransfer.torch.forward import Multiplier, fold, install, multipliers
from mutransfer.torch.init import apply, scale_init
from mutransfer.torch.optim import guard, optimizer, optimizers, param_groups
from mutransfer.torch.plan import plan
from mutransfer.torch.probe import Probe
from mutransfer.torch.shapes import shapes
from mutransfer.torch.table import Coordinates, Verdict

__all__ = [
    "Coordinates",
    "Multiplier",
    "Plan",
    "Probe",
    "Verdict",
    "apply",
    "check",
    "clip_grad_norm_",
    "coordinates",
    "fold",
    "guard",
    "install",
    "multipliers",
    "optimizer",
    "optimizers",
    "param_groups",
    "plan",
    "scale_init",
    "shapes",
]
