"""The straight-line GPT of the kernels and the same GPT in PyTorch, from the same weights, timed alternately.

    cargo build --release --workspace --examples
    pip install torch numpy
    python benches/pytorch.py ROUNDS [WIDTH ...]

Depth 2, heads of 32, 16 x 128 tokens, vocabulary 256, AdamW, f32, one thread each. Prints the first five losses of each,
and milliseconds per step: minimum, median, and the median of the ratios within a round. Not part of CI.
"""
import os
import random
import subprocess
import sys
import tempfile
import time

import numpy
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)
BATCH, LENGTH, VOCABULARY, HEAD_DIM, DEPTH = 16, 128, 256, 32, 2
EXAMPLE = os.environ.get("GPT_EXAMPLE", "target/release/examples/gpt")


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, hidden):
        batch, length, width = hidden.shape
        projected = self.query_key_value(self.attention_norm(hidden)).split(width, -1)
        heads = (part.view(batch, length, -1, HEAD_DIM).transpose(1, 2) for part in projected)
        attended = F.scaled_dot_product_attention(*heads, is_causal=True)
        hidden = hidden + self.output(attended.transpose(1, 2).reshape(batch, length, width))
        return hidden + self.down(F.gelu(self.up(self.mlp_norm(hidden))))

    def parameters_in_order(self):
        for layer in (self.attention_norm, self.query_key_value, self.output, self.mlp_norm, self.up, self.down):
            # Matrices are stored [in, out] on the other side.
            yield layer.weight.t() if layer.weight.dim() == 2 else layer.weight
            yield layer.bias


class Gpt(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.positions = nn.Embedding(LENGTH, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, VOCABULARY, bias=False)

    def forward(self, tokens, targets):
        hidden = self.tokens(tokens) + self.positions.weight
        for block in self.blocks:
            hidden = block(hidden)
        return F.cross_entropy(self.readout(self.norm(hidden)).view(-1, VOCABULARY), targets.view(-1))

    def flat(self):
        ordered = [self.tokens.weight, self.positions.weight]
        for block in self.blocks:
            ordered += block.parameters_in_order()
        ordered += [self.norm.weight, self.norm.bias, self.readout.weight.t()]
        return numpy.concatenate([each.detach().contiguous().numpy().ravel() for each in ordered])


def data():
    """The batch of the Rust example."""
    state, tokens = 12345, []
    for _ in range(BATCH * LENGTH + 1):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        tokens.append((state >> 16) % 64 + (state >> 28) % 4 * 64)
    tokens = torch.tensor(tokens)
    return tokens[:-1].view(BATCH, LENGTH), tokens[1:].view(BATCH, LENGTH)


class PyTorch:
    def __init__(self, width, compiled):
        torch.manual_seed(0)
        self.model = Gpt(width)
        self.weights = self.model.flat()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
        self.loss = torch.compile(self.model) if compiled else self.model
        self.batch = data()

    def run(self, steps):
        """Seconds, and the loss of the last step."""
        begun = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(*self.batch)
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - begun, loss.item()


class Rust:
    def __init__(self, width, weights):
        file = tempfile.NamedTemporaryFile(suffix=".f32", delete=False)
        weights.astype("<f4").tofile(file.name)
        environment = {**os.environ, "GPT_WEIGHTS": file.name}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([EXAMPLE, str(width), "serve"], text=True, env=environment, **pipes)

    def run(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        seconds, loss, self.megabytes = self.process.stdout.readline().split()
        return float(seconds), float(loss)


def median(values):
    return sorted(values)[len(values) // 2]


def compare(width, rounds):
    arms = {"eager": PyTorch(width, False), "compile": PyTorch(width, True)}
    arms["rust"] = Rust(width, arms["eager"].weights)
    losses = {name: [arm.run(1)[1] for _ in range(5)] for name, arm in arms.items()}
    steps = max(2, 512 // width)
    times = {name: [] for name in arms}
    for _ in range(rounds):
        for name in random.sample(list(arms), len(arms)):
            times[name].append(1e3 * arms[name].run(steps)[0] / steps)
    print(f"width {width}")
    for name in arms:
        ratio = median([own / rust for own, rust in zip(times[name], times["rust"])])
        shown = " ".join(f"{loss:.5f}" for loss in losses[name])
        print(f"  {name:8} min {min(times[name]):8.2f}  median {median(times[name]):8.2f}  of rust {ratio:5.2f}  losses {shown}")
    print(f"  rust peak {arms['rust'].megabytes} MB", flush=True)


if __name__ == "__main__":
    for width in [int(argument) for argument in sys.argv[2:]] or [64, 128, 256, 512]:
        compare(width, int(sys.argv[1]))
