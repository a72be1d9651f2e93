"""The figures of the Python package in docs/performance.md: `python benches/figures.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import mutransfer
import mutransfer.torch as mt
import torch
from mutransfer import Shape
from mutransfer.torch.optim import Guard
from mutransfer.torch.trace import traced
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM


def best(run: Callable[[], object], times: int) -> float:
    """CPU seconds of the fastest of some runs, which a busy machine changes little."""
    found = []
    for _ in range(times):
        begun = time.process_time()
        run()
        found.append(time.process_time() - begun)
    return min(found)


def layered(width: int, blocks: int) -> dict[str, Shape | tuple[int, ...]]:
    """Shapes of a transformer: twelve tensors a block."""
    shapes: dict[str, Shape | tuple[int, ...]] = {
        "token.weight": Shape((512, width), None, 1),
        "head.weight": Shape((512, width), 1, 0),
    }
    for block in range(blocks):
        for part in ("query", "key", "value", "project", "up", "down"):
            shapes[f"blocks.{block}.{part}.weight"] = Shape((width, width), 1, 0)
            shapes[f"blocks.{block}.{part}.bias"] = (width,)
    return shapes


def planning(blocks: int) -> float:
    """Seconds of a plan."""
    base, delta, target = (layered(width, blocks) for width in (64, 128, 1024))
    declare = [("head.weight", "output")]
    return best(lambda: mutransfer.plan(base, target, delta=delta, declare=declare), 3)


def importing() -> float:
    """Seconds of the first import of a process, from bytecode, as installing leaves it."""
    code = "import time; b = time.process_time(); import mutransfer; print(time.process_time() - b)"
    command = [sys.executable, "-c", code]
    with tempfile.TemporaryDirectory() as folder:
        held = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        runs = [
            subprocess.run(command, capture_output=True, check=True, env=held)  # noqa: S603
            for _ in range(10)
        ]
    return min(float(run.stdout) for run in runs)


def tracing() -> float:
    """Seconds of a forward pass of a Llama of two layers that is watched."""
    sizes = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=512, num_attention_heads=4, **sizes))
    return best(lambda: traced(model, torch.arange(32)[None]), 5)


def deep(width: int) -> nn.Module:
    """150 tensors: 74 layers with biases and a readout."""
    layers = [layer for _ in range(73) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(nn.Linear(12, width), *layers, nn.Linear(width, 10))


def stepping() -> tuple[float, float, int]:
    """Seconds of a fused step with one group and with the plan's, and how many these are."""
    plan = mt.plan(deep(64), deep(16), delta=deep(32), readout=["147"], optimizer=torch.optim.AdamW)
    found = []
    for planned in (False, True):
        model = deep(64)
        if planned:
            made = mt.optimizer(torch.optim.AdamW, model, plan, lr=1e-3, fused=True)
        else:
            made = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        found.append(best(made.step, 80))
    return found[0], found[1], len(made.param_groups)


def hooking() -> float:
    """Seconds that a multiplier adds to a forward pass."""
    plan = mt.plan(deep(64), deep(16), delta=deep(32), readout=["147"])
    layer, plain = mt.install(deep(64), plan)[147], nn.Linear(64, 10)
    x = torch.ones(1, 64)
    with torch.no_grad():
        found = [best(lambda m=module: [m(x) for _ in range(1000)], 5) for module in (layer, plain)]
    return (found[0] - found[1]) / 1000


def guarding() -> float:
    """Seconds that the guard looks at the groups of a plan before a step."""
    plan = mt.plan(deep(64), deep(16), delta=deep(32), readout=["147"], optimizer=torch.optim.AdamW)
    made = mt.optimizer(torch.optim.AdamW, deep(64), plan, lr=1e-3)
    guard = Guard(plan.hash)
    return best(lambda: [guard(made, (), {}) for _ in range(1000)], 5) / 1000


def main() -> None:
    """Prints all figures."""
    torch.set_num_threads(1)
    few, many = planning(28), planning(8333)
    one, groups, count = stepping()
    with torch.device("meta"):
        reading = best(lambda: [mt.shapes(deep(width)) for width in (64, 128, 256)], 3)
    for what, value in [
        ("a plan of 338 tensors", f"{1e3 * few:.1f} ms"),
        ("a plan of 99,998 tensors", f"{many:.2f} s"),
        ("import mutransfer", f"{1e3 * importing():.1f} ms"),
        (
            "shapes of three models of 150 tensors on meta, built and read",
            f"{1e3 * reading:.0f} ms",
        ),
        ("a watched forward pass of a Llama of two layers", f"{1e3 * tracing():.0f} ms"),
        ("a step of fused AdamW, 150 tensors in one group", f"{1e3 * one:.2f} ms"),
        (f"the same with the {count} groups of a plan, and the guard", f"{1e3 * groups:.2f} ms"),
        ("a multiplier, in eager mode", f"{1e6 * hooking():.1f} µs"),
        ("the guard", f"{1e6 * guarding():.1f} µs"),
    ]:
        print(f"| {what} | {value} |")


if __name__ == "__main__":
    main()
