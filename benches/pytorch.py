"""The built-in models and the same ones in PyTorch, from the same weights on the same batches, timed alternately.

    cargo build --release --workspace --benches
    pip install torch numpy
    python benches/pytorch.py step ROUNDS [WIDTH ...]     # milliseconds per step, losses after 20 steps
    python benches/pytorch.py images ROUNDS [MODEL:WIDTH ...]  # the same for cnn and resnet
    python benches/pytorch.py sweep ROUNDS STUDY.toml     # trials per minute of a whole study, from a cold start

GPT: depth 2, heads of 32, vocabulary 256, AdamW. CNN of depth 2, ResNet of depth 1: images of 28 x 28, Adam, batches of
64, or 32 from width 64 of the ResNet on. f32, one thread each. Not part of the tests: PyTorch is large.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import tomllib

import numpy
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)
BATCH, CONTEXT, VOCABULARY, HEAD_DIM, DEPTH, SERVED = 16, 128, 256, 32, 2, 20


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


class Gpt(nn.Module):
    def __init__(self, width, vocabulary=VOCABULARY, context=CONTEXT):
        super().__init__()
        self.vocabulary = vocabulary
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens, targets):
        hidden = self.tokens(tokens) + self.positions.weight
        for block in self.blocks:
            hidden = block(hidden)
        return F.cross_entropy(self.readout(self.norm(hidden)).view(-1, self.vocabulary), targets.view(-1))

    @torch.no_grad()
    def load(self, folder):
        """Weights as the other side leaves them: one file a parameter, matrices [in, out] but for the tables."""

        def read(name):
            return torch.from_numpy(numpy.fromfile(os.path.join(folder, name), "<f4"))

        def linear(layer, names):
            parts = [read(f"{name}.weight").view(layer.in_features, -1).t() for name in names]
            layer.weight.copy_(torch.cat(parts))
            if layer.bias is not None:
                layer.bias.copy_(torch.cat([read(f"{name}.bias") for name in names]))

        def norm(layer, name):
            layer.weight.copy_(read(f"{name}.gamma"))
            layer.bias.copy_(read(f"{name}.beta"))

        for name in ("tokens", "positions"):
            table = getattr(self, name).weight
            table.copy_(read(f"{name}.weight").view_as(table))
        for index, block in enumerate(self.blocks):
            at = f"blocks.{index}"
            norm(block.attention_norm, f"{at}.attention_norm")
            norm(block.mlp_norm, f"{at}.mlp_norm")
            linear(block.query_key_value, [f"{at}.attention.{part}" for part in ("query", "key", "value")])
            linear(block.output, [f"{at}.attention.output"])
            linear(block.up, [f"{at}.mlp.up"])
            linear(block.down, [f"{at}.mlp.down"])
        norm(self.norm, "norm")
        linear(self.readout, ["readout"])


def reader(folder):
    return lambda name: torch.from_numpy(numpy.fromfile(os.path.join(folder, name), "<f4"))


def load_images(model, folder):
    """Weights of images' models: names are the same on both sides, but for gains and matrices [in, out]."""
    read = reader(folder)
    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear):
                module.weight.copy_(read(f"{name}.weight").view(module.in_features, -1).t())
            elif isinstance(module, nn.Conv2d):
                module.weight.copy_(read(f"{name}.weight").view_as(module.weight))
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(read(f"{name}.gamma"))
                module.bias.copy_(read(f"{name}.beta"))
            if isinstance(module, (nn.Linear, nn.Conv2d)) and module.bias is not None:
                module.bias.copy_(read(f"{name}.bias"))


class Cnn(nn.Module):
    def __init__(self, width):
        super().__init__()
        narrow = width // 4
        self.first = nn.Conv2d(1, narrow, 3, 2, 1)
        self.second = nn.Conv2d(narrow, narrow, 3, 2, 1)
        self.hidden = nn.ModuleList(nn.Linear(fan_in, width) for fan_in in (narrow, width))
        self.readout = nn.Linear(width, 10)

    def forward(self, images, labels):
        seen = F.relu(self.second(F.relu(self.first(images)))).mean((2, 3))
        for layer in self.hidden:
            seen = F.relu(layer(seen))
        return F.cross_entropy(self.readout(seen), labels)


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        if inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut_norm = nn.BatchNorm2d(outputs)

    def forward(self, seen):
        hidden = self.second_norm(self.second(F.relu(self.first_norm(self.first(seen)))))
        if hasattr(self, "shortcut"):
            seen = self.shortcut_norm(self.shortcut(seen))
        return F.relu(hidden + seen)


class ResNet(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.blocks = nn.ModuleList([Residual(width, width, 1), Residual(width, 2 * width, 2)])
        self.readout = nn.Linear(2 * width, 10)

    def forward(self, images, labels):
        seen = F.relu(self.norm(self.stem(images)))
        for block in self.blocks:
            seen = block(seen)
        return F.cross_entropy(self.readout(seen.mean((2, 3))), labels)


IMAGES = {"cnn": Cnn, "resnet": ResNet}


class PyTorch:
    """Eager (one tensor operation after the other), fused (one optimizer kernel), or compiled."""

    def __init__(self, arm, model, width, folder):
        self.step = 0
        self.model, self.batches = self.text(width, folder) if model == "gpt" else self.images(arm, model, width, folder)
        # At a larger rate the wide models of images tell apart in what order their sums were rounded.
        kind, rate, decay = (torch.optim.AdamW, 1e-3, 0.01) if model == "gpt" else (torch.optim.Adam, 1e-4, 0)
        self.optimizer = kind(self.model.parameters(), lr=rate, weight_decay=decay, fused=arm != "eager")
        self.loss = torch.compile(self.model) if arm == "compile" else self.model

    def text(self, width, folder):
        model = Gpt(width)
        model.load(folder)
        tokens = numpy.fromfile(os.path.join(folder, "batches"), "u1").reshape(SERVED, BATCH, CONTEXT + 1)
        tokens = torch.from_numpy(tokens.astype("i8"))
        return model, [(batch[:, :-1].contiguous(), batch[:, 1:].contiguous()) for batch in tokens]

    def images(self, arm, model, width, folder):
        model = IMAGES[model](width)
        load_images(model, folder)
        pixels = reader(folder)("batches").view(SERVED, -1, 1, 28, 28)
        labels = numpy.fromfile(os.path.join(folder, "labels"), "u1").reshape(SERVED, -1)
        if arm == "channels-last":
            model = model.to(memory_format=torch.channels_last)
        return model, list(zip(pixels, torch.from_numpy(labels.astype("i8"))))

    def run(self, steps):
        """Seconds, and the loss of the last step."""
        value = None
        begun = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(*self.batches[self.step % SERVED])
            loss.backward()
            self.optimizer.step()
            self.step += 1
            value = loss.item()
        return time.perf_counter() - begun, value


class Ours:
    def __init__(self, model, width, folder):
        command = ["cargo", "bench", "--workspace", "--bench", "step", "--no-run", "--message-format", "json"]
        built = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        messages = [json.loads(line) for line in built]
        program = next(m["executable"] for m in messages if m.get("target", {}).get("name") == "step")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([program, "serve", model, str(width), folder], text=True, **pipes)
        assert self.process.stdout.readline() == "ready\n"

    def run(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        seconds, loss, self.megabytes = self.process.stdout.readline().split()
        return float(seconds), float(loss)


def median(values):
    return sorted(values)[len(values) // 2]


PEERS = {"gpt": ("eager", "fused", "compile")}
PEERS["cnn"] = PEERS["resnet"] = (*PEERS["gpt"], "channels-last")


def compare_steps(rounds, models):
    for model, width in models:
        with tempfile.TemporaryDirectory() as folder:
            arms = {"ours": Ours(model, width, folder)}
            arms |= {arm: PyTorch(arm, model, width, folder) for arm in PEERS[model]}
            losses = {name: arm.run(SERVED)[1] for name, arm in arms.items()}
            # Short turns: other users of the machine then slow all arms alike.
            steps = max(1, 192 // width) if model == "gpt" else max(1, int(0.1 / (arms["ours"].run(5)[0] / 5)))
            for arm in list(arms.values())[1:]:
                arm.run(5 if model != "gpt" else 0)
            times = {name: [] for name in arms}
            for _ in range(rounds):
                for name in random.sample(list(arms), len(arms)):
                    times[name].append(1e3 * arms[name].run(steps)[0] / steps)
        print(f"{model} {width}: {arms['ours'].megabytes} MB at most in ours")
        for name in arms:
            ratios = sorted(own / ours for own, ours in zip(times[name], times["ours"]))
            low, middle, high = (ratios[len(ratios) * part // 4] for part in (1, 2, 3))
            print(
                f"  {name:13} min {min(times[name]):8.2f}  median {median(times[name]):8.2f} ms"
                f"  of ours {middle:5.2f} ({low:.2f} to {high:.2f})  loss after {SERVED} steps {losses[name]:.6f}",
                flush=True,
            )


def grid(study):
    """The trials of a study: width and learning rate."""
    power = lambda text: float(text.removeprefix("2^"))
    rates = numpy.arange(power(study["lr"]["from"]), power(study["lr"]["to"]) + 0.5, study["lr"]["step"])
    return [(width, 2.0**rate) for width in study["widths"] for rate in rates]


def train_share(study, arm, index):
    """Trains every second trial, one after the other; what one process of the peer does."""
    vocabulary, context, batch, steps = 64, study["context"], study["batch"], study["steps"]
    for width, rate in grid(study)[index::2]:
        torch.manual_seed(0)
        model = Gpt(width, vocabulary, context)
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate, fused=True)
        loss_of = torch.compile(model) if arm == "compile" else model
        tokens = torch.randint(vocabulary, (steps, batch, context + 1))
        for step in range(steps):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(tokens[step, :, :-1].contiguous(), tokens[step, :, 1:].contiguous())
            loss.backward()
            optimizer.step()
            loss.item()


def compare_sweeps(rounds, path):
    study = tomllib.load(open(path, "rb"))

    def ours():
        with tempfile.TemporaryDirectory() as folder:
            command = ["target/release/mutransfer", "transfer", path, "--out", os.path.join(folder, "study")]
            subprocess.run(command, check=True, capture_output=True)

    def peer(arm):
        processes = [subprocess.Popen([sys.executable, __file__, "share", path, arm, str(index)]) for index in (0, 1)]
        assert all(process.wait() == 0 for process in processes)

    arms = {"ours": ours, "fused": lambda: peer("fused"), "compile": lambda: peer("compile")}
    times = {name: [] for name in arms}
    for _ in range(rounds):
        for name in random.sample(list(arms), len(arms)):
            begun = time.perf_counter()
            arms[name]()
            times[name].append(time.perf_counter() - begun)
    for name, seconds in times.items():
        ratio = median([own / ours for own, ours in zip(seconds, times["ours"])])
        rate = 60 * len(grid(study)) / median(seconds)
        print(f"{name:8} median {median(seconds):7.1f} s  {rate:6.1f} trials a minute  time of ours {ratio:5.2f}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["step", rounds, *widths]:
            compare_steps(int(rounds), [("gpt", int(width)) for width in widths or (64, 128, 256, 512)])
        case ["images", rounds, *models]:
            models = [model.split(":") for model in models or ("cnn:128", "cnn:512", "resnet:16", "resnet:64")]
            compare_steps(int(rounds), [(model, int(width)) for model, width in models])
        case ["sweep", rounds, study]:
            compare_sweeps(int(rounds), study)
        case ["share", study, arm, index]:
            train_share(tomllib.load(open(study, "rb")), arm, int(index))
        case _:
            sys.exit(__doc__)
