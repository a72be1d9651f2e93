"""The whole answer, by a search here and by the published recipe with PyTorch and mup, on one task, timed one after the other.

    cargo build --release
    pip install torch numpy mup==1.0.0
    python benches/tune.py TEXT ROUNDS

The task is that of examples/text.toml: a GPT of depth 2 with heads of 16 on a text, 150 steps of 4 x 64 bytes, AdamW, to be
trained at width 256. The recipe sweeps 12 learning rates with 3 seeds at widths 32, 64, 128 and 256 and copies the best one of 128,
two processes at a time, the validation loss at the end of every training. The search is `lr = "auto"`: searched at width 32,
confirmed at 128, carried to 256, settings of the target written. Regret is the loss at the target with what was copied, minus the
best there: of the recipe's own sweep, or of our own search at the target, which is not timed.
"""
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time

import mup
import numpy
import pytorch
import torch
import torch.nn.functional as F

STEPS, BATCH, CONTEXT, WIDTHS, SEEDS = 150, 4, 64, (32, 64, 128, 256), (0, 1, 2)
RATES = [2.0**power for power in numpy.arange(-9.5, -3.5, 0.5)]
SEQUENCES = 64
pytorch.HEAD_DIM = 16
STUDY = """
name = "tune"
widths = [32, 128]
target_width = 256
lr = "auto"
search = {{ at_once = 2 }}
steps = {STEPS}
batch = {BATCH}
context = {CONTEXT}
""".format(**globals())


class Gpt(pytorch.Gpt):
    def __init__(self, width):
        super().__init__(width, context=CONTEXT)
        self.readout = mup.MuReadout(width, self.vocabulary, bias=False)


def train(text, width, rate, seed):
    """The validation loss."""
    torch.manual_seed(seed)
    model = Gpt(width)
    mup.set_base_shapes(model, Gpt(32), delta=Gpt(64))
    optimizer = mup.MuAdamW(model.parameters(), lr=rate, weight_decay=0)
    warmup = STEPS // 10
    course = lambda step: min((step + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * max(0, step - warmup) / (STEPS - warmup)))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, course)
    edge = len(text) * 9 // 10
    cut = lambda low, high, count: text[torch.randint(low, high - CONTEXT - 1, (count, 1)) + torch.arange(CONTEXT + 1)]
    for _ in range(STEPS):
        tokens = cut(0, edge, BATCH)
        optimizer.zero_grad(set_to_none=True)
        model(tokens[:, :-1], tokens[:, 1:].contiguous()).backward()
        optimizer.step()
        schedule.step()
    torch.manual_seed(0)
    tokens = cut(edge, len(text), SEQUENCES)
    with torch.no_grad():
        return model(tokens[:, :-1], tokens[:, 1:].contiguous()).item()


def share(path, index):
    """Every second training of the recipe, as JSON lines."""
    text = torch.from_numpy(numpy.fromfile(path, "u1").astype("i8"))
    trials = [(width, rate, seed) for width in WIDTHS for rate in RATES for seed in SEEDS]
    for trial in trials[index::2]:
        print(json.dumps([*trial, train(text, *trial)]), flush=True)


def recipe(path):
    """Seconds, what was copied, and its regret."""
    begun = time.perf_counter()
    command = [sys.executable, __file__, "share", path]
    shares = [subprocess.Popen([*command, str(index)], text=True, stdout=subprocess.PIPE) for index in (0, 1)]
    rows = [json.loads(line) for process in shares for line in process.communicate()[0].splitlines()]
    seconds = time.perf_counter() - begun
    mean = lambda width, rate: numpy.mean([loss for *trial, loss in rows if trial[:2] == [width, rate]])
    best = lambda width: min(RATES, key=lambda rate: mean(width, rate))
    copied = best(128)
    return seconds, copied, mean(256, copied), mean(256, copied) - mean(256, best(256))


def search(path):
    with tempfile.TemporaryDirectory() as folder:
        study = os.path.join(folder, "study.toml")
        with open(study, "w") as file:
            file.write(STUDY)
        command = ["target/release/mutransfer", "transfer", study, "--data", path, "--out", os.path.join(folder, "out"), "--json"]
        run = lambda more: json.loads(subprocess.run(command + more, check=True, capture_output=True).stdout)
        begun = time.perf_counter()
        found = run([])["rules"][0]
        seconds = time.perf_counter() - begun
        regret = run(["--compare"])["compared"][1]["difference"]
        return seconds, found["values"]["lr"], found["target"]["loss"]["value"], regret["value"], regret["interval"], found["target"]["regret_bound"]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["share", path, index]:
            share(path, int(index))
        case [path, rounds]:
            ratios = []
            for _ in range(int(rounds)):
                found = {}
                for arm in random.sample([recipe, search], 2):
                    found[arm] = arm(path)
                    print(arm.__name__, *found[arm], flush=True)
                ratios.append(found[recipe][0] / found[search][0])
            print(f"the recipe takes {sorted(ratios)[len(ratios) // 2]:.1f} times as long")
        case _:
            sys.exit(__doc__)
