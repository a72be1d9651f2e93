"""Optuna tunes the proxy, and the model is trained by what it found, eight times as wide."""

from __future__ import annotations

import warnings

import mutransfer.torch as mt
import optuna
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

PROXY, WIDTH = 32, 256


def build(width: int) -> nn.Module:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(16, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 10),
    )


def train(width: int, lr: float, beta2: float) -> float:
    """The loss that a width ends with."""
    torch.manual_seed(0)
    model, base = build(width), build(PROXY)
    plan = mt.plan(model, base, delta=build(2 * PROXY), readout=["4"], optimizer=torch.optim.AdamW)
    mt.apply(model, plan, init="fan-in")
    optimizer = mt.optimizer(torch.optim.AdamW, model, plan, lr=lr, betas=(0.9, beta2))
    inputs = torch.randn(256, 16)
    targets = inputs[:, :10].argmax(1)
    for _ in range(30):
        loss = F.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def objective(trial: optuna.Trial) -> float:
    """The proxy's loss, for hyperparameters that mean the same at any width."""
    lr = trial.suggest_float("lr", 2**-12, 2**-3, log=True)
    return train(PROXY, lr, trial.suggest_float("beta2", 0.9, 0.999))


if __name__ == "__main__":
    # The proxy is its own base: nothing is scaled.
    warnings.filterwarnings("ignore", r"\[MU003\]")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=20)
    print(f"proxy   loss {study.best_value:.3f}  {study.best_params}")
    print(f"target  loss {train(WIDTH, **study.best_params):.3f}")
