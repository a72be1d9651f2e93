"""Small models of every kind, at any width; and what the README does."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

ROOT = Path(__file__).parents[3]
CLASSES = 10
# The models are too small for more.
torch.set_num_threads(1)


class GPT(nn.Module):
    """A plain one: heads of a fixed size, as many as fit."""

    def __init__(self, width, *, tied=False, head=8, vocab=24, context=16):
        super().__init__()
        self.token = nn.Embedding(vocab, width)
        self.position = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, head) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocab, bias=False)
        if tied:
            self.head.weight = self.token.weight

    def forward(self, ids):
        x = self.token(ids) + self.position(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class Block(nn.Module):
    def __init__(self, width, head):
        super().__init__()
        self.head = head
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.project = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        y = self.norm1(x)
        split = lambda z: z.unflatten(-1, (-1, self.head)).transpose(1, 2)
        q, k, v = split(self.query(y)), split(self.key(y)), split(self.value(y))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.project(attended.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Recurrent(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.table = nn.Embedding(24, width)
        self.gru = nn.GRU(width, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, 24)

    def forward(self, ids):
        return self.head(self.gru(self.table(ids))[0])


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, x):
        return x + self.second(F.relu(self.norm2(self.first(F.relu(self.norm1(x))))))


def mlp(width):
    return nn.Sequential(
        nn.Linear(12, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, CLASSES),
    )


def cnn(width):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * width * 16, CLASSES),
    )


def resnet(width):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        Residual(width),
        Residual(width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, CLASSES),
    )


def ids(generator):
    return torch.randint(24, (4, 16), generator=generator)


def images(generator):
    return torch.randn(4, 1, 8, 8, generator=generator)


def vectors(generator):
    return torch.randn(4, 12, generator=generator)


# By name: how it is built, its readouts, and what it reads.
MODELS = {
    "mlp": (mlp, ["4"], vectors),
    "cnn": (cnn, ["5"], images),
    "resnet": (resnet, ["5"], images),
    "gpt": (GPT, ["head"], ids),
    "gpt-tied": (lambda width: GPT(width, tied=True), [], ids),
    "gru": (Recurrent, ["head"], ids),
}


@pytest.fixture(params=MODELS)
def kind(request):
    return MODELS[request.param]


def seeded(build, width, seed=0, dtype=None):
    torch.manual_seed(seed)
    model = build(width)
    return model.to(dtype) if dtype else model


def meta(build, width):
    with torch.device("meta"):
        return build(width)


def losses(model, optimizer, batch, steps):
    """Losses of some steps on one batch."""
    generator = torch.Generator().manual_seed(1)
    inputs = batch(generator)
    dtype = next(model.parameters()).dtype
    if inputs.is_floating_point():
        inputs = inputs.to(dtype)
    found = []
    for _ in range(steps):
        outputs = model(inputs).flatten(0, -2)
        targets = torch.arange(len(outputs)) % outputs.shape[-1]
        loss = F.cross_entropy(outputs, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def run_blocks(page):
    """Everything that the Python of a page names."""
    text = (ROOT / page).read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    namespace = {}
    for block in blocks:
        exec(compile(block, page, "exec"), namespace)  # noqa: S102  (our own pages)
    return namespace


@pytest.fixture(scope="session")
def readme():
    """What the README of the package does, its coordinate check included."""
    return run_blocks("bindings/python/README.md")
