"""A perceptron in plain Python that trains by a plan of mutransfer. `plain.toml` is its study.

    mutransfer transfer examples/trainers/plain.toml

It is told what to train in the file $MUTRANSFER_TRIAL, reads its numbers from the plan that this
names, and prints its losses as JSON lines. With `--shapes WIDTH` it prints its shapes.
"""

import json
import math
import os
import random
import sys
from operator import mul

INPUTS, CLASSES = 8, 4


def shapes(width):
    return {
        "first.weight": [width, INPUTS],
        "first.bias": [width],
        "middle.weight": [width, width],
        "middle.bias": [width],
        "readout.weight": [CLASSES, width],
    }


def examples(count, name):
    """Inputs and classes, which a fixed random matrix tells; the same at every width."""
    teacher = random.Random("teacher")
    rows = [[teacher.gauss(0, 1) for _ in range(INPUTS)] for _ in range(CLASSES)]
    draw = random.Random(name)
    found = []
    for _ in range(count):
        x = [draw.gauss(0, 1) for _ in range(INPUTS)]
        scores = [dot(row, x) - 0.3 * dot(row, row) * x[0] ** 2 for row in rows]
        found.append((x, scores.index(max(scores))))
    return found


def dot(a, b):
    return sum(map(mul, a, b))


class Tensor:
    """A matrix, or a vector as a matrix of one row, with all that its optimizer knows of it."""

    def __init__(self, name, dims, numbers, seed):
        rows, columns = dims if len(dims) == 2 else [1, dims[0]]
        std = numbers["init_std"] or 0.0  # null for biases, which start at zero
        draw = random.Random(f"{seed} {name}")
        self.rows = [[std * draw.gauss(0, 1) for _ in range(columns)] for _ in range(rows)]
        self.gradient, self.first, self.second = (
            [[0.0] * columns for _ in range(rows)] for _ in range(3)
        )
        self.numbers = numbers

    def step(self, factor, t, beta1, beta2):
        """Adam, with the learning rate and epsilon of the plan."""
        lr = factor * self.numbers["lr"] / (1 - beta1**t)
        eps, correction = self.numbers["eps"], 1 / (1 - beta2**t)
        for w, g, m, v in zip(self.rows, self.gradient, self.first, self.second):
            for i, gradient in enumerate(g):
                m[i] += (1 - beta1) * (gradient - m[i])
                v[i] += (1 - beta2) * (gradient * gradient - v[i])
                w[i] -= lr * m[i] / (math.sqrt(v[i] * correction) + eps)
                g[i] = 0.0


def linear(model, module, x):
    """Multiplied as the plan says."""
    weight, bias = model[f"{module}.weight"], model.get(f"{module}.bias")
    factor = weight.numbers["multiplier"]
    out = [factor * dot(row, x) for row in weight.rows]
    if bias:
        out = [a + bias.numbers["multiplier"] * b for a, b in zip(out, bias.rows[0])]
    return out


def forward(model, x):
    """What each module gives."""
    first = linear(model, "first", x)
    middle = linear(model, "middle", [max(a, 0.0) for a in first])
    return {
        "first": first,
        "middle": middle,
        "readout": linear(model, "readout", [max(a, 0.0) for a in middle]),
    }


def softmax(logits):
    top = max(logits)
    powers = [math.exp(a - top) for a in logits]
    return [power / sum(powers) for power in powers]


def backward(model, module, x, out):
    """Adds to the gradients of a module, and gives the gradient of its input."""
    weight, bias = model[f"{module}.weight"], model.get(f"{module}.bias")
    factor = weight.numbers["multiplier"]
    below = [0.0] * len(x)
    for row, gradient, d in zip(weight.rows, weight.gradient, out):
        d *= factor
        for i, a in enumerate(x):
            gradient[i] += d * a
            below[i] += d * row[i]
    if bias:
        factor = bias.numbers["multiplier"]
        bias.gradient[0] = [g + factor * d for g, d in zip(bias.gradient[0], out)]
    return below


def learn(model, batch):
    """Adds the gradient of a batch, and gives its loss in nats."""
    loss = 0.0
    for x, answer in batch:
        outs = forward(model, x)
        shares = softmax(outs["readout"])
        loss -= math.log(max(shares[answer], 1e-300)) / len(batch)
        d = [(share - (i == answer)) / len(batch) for i, share in enumerate(shares)]
        d = backward(model, "readout", [max(a, 0.0) for a in outs["middle"]], d)
        d = [a if b > 0 else 0.0 for a, b in zip(d, outs["middle"])]
        d = backward(model, "middle", [max(a, 0.0) for a in outs["first"]], d)
        backward(model, "first", x, [a if b > 0 else 0.0 for a, b in zip(d, outs["first"])])
    return loss


def validate(model, batch):
    shares = [softmax(forward(model, x)["readout"])[answer] for x, answer in batch]
    return -sum(math.log(max(share, 1e-300)) for share in shares) / len(batch)


def tell(**line):
    print(json.dumps(line), flush=True)


def factor(budget, step):
    """A schedule is a factor on every learning rate, so that it keeps their ratios."""
    if step < budget["warmup"]:
        return (step + 1) / budget["warmup"]
    done = (step - budget["warmup"]) / (budget["steps"] - budget["warmup"])
    return {
        "constant": 1.0,
        "linear": 1 - done,
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
    }[budget["schedule"]]


def train(model, trial):
    budget, hyper = trial["budget"], trial["hyper"]
    for step in range(budget["steps"]):
        loss = learn(model, examples(budget["batch"], f"{trial['seed']} {step}"))
        tell(step=step, loss=loss)
        for tensor in model.values():
            tensor.step(factor(budget, step), step + 1, hyper["beta1"], hyper["beta2"])
    tell(final=True, loss=validate(model, examples(64, "held out")))


def measure(model, trial):
    """Sizes of activations, and of their changes, before and after some updates on one batch."""
    batch = examples(trial["budget"]["batch"], f"{trial['seed']} 0")
    start = None
    for step in range(trial["coordinates"]["steps"] + 1):
        outs = [forward(model, x) for x, _ in batch]
        seen = {module: [a for out in outs for a in out[module]] for module in outs[0]}
        start = start or seen
        for module, now in seen.items():
            change = [a - b for a, b in zip(now, start[module])]
            for quantity, values in [("activation", now), ("change", change)]:
                l1 = sum(map(abs, values)) / len(values)
                l2 = math.sqrt(dot(values, values) / len(values))
                tell(step=step, module=module, quantity=quantity, l1=l1, l2=l2)
        learn(model, batch)
        for tensor in model.values():
            tensor.step(1.0, step + 1, trial["hyper"]["beta1"], trial["hyper"]["beta2"])


if __name__ == "__main__":
    if "--shapes" in sys.argv:
        print(json.dumps(shapes(int(sys.argv[-1]))))
        sys.exit()
    with open(os.environ["MUTRANSFER_TRIAL"]) as file:
        trial = json.load(file)
    with open(trial["plan"]) as file:
        params = json.load(file)["params"]
    dims = shapes(trial["sizes"]["width"])
    model = {name: Tensor(name, dims[name], params[name], trial["seed"]) for name in dims}
    (measure if trial["coordinates"] else train)(model, trial)
