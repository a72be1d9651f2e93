"""Two processes, sharded: the plan is applied first, then `fully_shard`, then the optimizer."""

from __future__ import annotations

import socket

import mutransfer.torch as mt
import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812
from torch import multiprocessing, nn
from torch.distributed.fsdp import fully_shard


def build(width: int) -> nn.Module:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(16, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 10),
    )


def train(rank: int, port: int) -> None:
    """One of the processes."""
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    with torch.device("meta"):
        base, delta = build(64), build(128)
    torch.manual_seed(0)
    model = build(256)
    plan = mt.plan(model, base, delta=delta, readout=["4"], optimizer=torch.optim.AdamW)
    mt.apply(model, plan, init="fan-in")
    fully_shard(model, mesh=dist.init_device_mesh("cpu", (2,)))
    optimizer = mt.optimizer(torch.optim.AdamW, model, plan, lr=1e-2)
    torch.manual_seed(rank)
    inputs = torch.randn(128, 16)
    targets = inputs[:, :10].argmax(1)
    for step in range(21):
        loss = F.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if rank == 0 and step % 10 == 0:
            print(f"step {step:2}  loss {loss.item():.3f}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        chosen = free.getsockname()[1]
    multiprocessing.spawn(train, (chosen,), nprocs=2)
