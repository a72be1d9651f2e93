"""The loss of the first hundred steps with 2, 4 and 8 of 16 experts active, under Complete-muE and under the naive copy.

    cargo build --release
    python benches/early.py TEXT

A GPT of width 64 and 2 blocks on a text, 100 steps of 16 x 64 bytes, at three learning rates, three seeds. The experts are as wide
together, where active, as the dense layer of the base: 128, 64 and 32 of its 256 hidden units each. A number is the mean over the
steps of the difference of the losses of two trainings with one seed, with the 95 % interval of its mean over seeds.
"""
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

PROGRAM = os.path.join(os.path.dirname(__file__), "../target/release/mutransfer")
SEEDS, STUDENT = range(3), 4.303
STUDY = """
name = "early"
model = "moe"
rules = ["complete-mue", "mup"]
base = { width = 64, depth = 2, experts = { count = 1, active = 1 } }
proxies = [
    { experts = { count = 1, active = 1 } },
    { experts = { count = 16, active = 2, width = 128 } },
    { experts = { count = 16, active = 4, width = 64 } },
]
target = { experts = { count = 16, active = 8, width = 32 } }
head_dim = 32
lr = { from = "2^-10", to = "2^-6", step = 2 }
seeds = 3
steps = 100
batch = 16
context = 64
"""


def curves(text):
    with tempfile.TemporaryDirectory() as folder:
        study, out = os.path.join(folder, "study.toml"), os.path.join(folder, "out")
        with open(study, "w") as file:
            file.write(STUDY)
        subprocess.run([PROGRAM, "sweep", study, "--data", text, "--out", out], check=True, stdout=subprocess.DEVNULL)
        exported = subprocess.run([PROGRAM, "export", out, "--format", "jsonl"], check=True, capture_output=True, text=True)
    for line in exported.stdout.splitlines():
        run = json.loads(line)
        trial = run["trial"]
        losses = [point["loss"] for point in run["curve"]]
        rate = round(math.log2(trial["hyper"]["learning_rate"]))
        yield (trial["rule"]["name"], rate, trial["sizes"]["experts"]["active"], trial["seed"]), losses


def main(text):
    found = dict(curves(text))
    print("| rule | learning rate | 2 to 4 | 4 to 8 | 2 to 8 |\n|---|---|---|---|---|")
    for rule, rate in sorted({key[:2] for key in found}):
        cells = []
        for one, other in [(2, 4), (4, 8), (2, 8)]:
            both = [(found[rule, rate, one, seed], found[rule, rate, other, seed]) for seed in SEEDS]
            means = [statistics.mean(b - a for a, b in zip(*pair)) for pair in both]
            mean, half = statistics.mean(means), STUDENT * statistics.stdev(means) / math.sqrt(len(means))
            cells.append(f"{mean:+.4f} ({mean - half:+.4f} to {mean + half:+.4f})")
        print(f"| {rule} | 2^{rate} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(sys.argv[1])
