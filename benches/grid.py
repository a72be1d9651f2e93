"""Searches over learning rate, weight decay and initial standard deviation, beside the whole grid of them.

    cargo build --release
    pip install numpy
    python benches/grid.py TEXT [ROUNDS]

The task: a GPT of width 64 and depth 2 on a text, 200 steps of 8 x 64 bytes, AdamW, one seed of weights and batches, the
validation loss at the end. The grid has 9 x 5 x 5 points, and its losses are in benches/grid.csv: they are read from there, or
measured and written where the file is absent. A search is `"auto"` for all three, within the bounds of the grid, of 30 runs at
most; ROUNDS of them (10) differ in the seed of the search.

What is compared are values of one surface, a Gaussian process through the losses of the grid within half a nat of its best (and,
in the last column, through those of all the searches too), as single runs differ by chance: that at what a search recommends,
minus the lowest within the bounds.
"""
import csv
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy

PROGRAM = os.path.join(os.path.dirname(__file__), "../target/release/mutransfer")
TABLE = os.path.join(os.path.dirname(__file__), "grid.csv")
KEYS = ("lr", "weight_decay", "init_std")
GRID = ([2.0**power for power in range(-9, 0)], [10.0**power for power in range(-3, 2)], [0.02 * 2**power for power in range(5)])
STUDY = """
name = "grid"
widths = [64]
base_width = 64
target_width = 64
head_dim = 16
rules = ["mup"]
seeds = 1
steps = 200
batch = 8
context = 64
"""
NEAR = 0.5


def run(command, study, text, folder):
    path = os.path.join(folder, "study.toml")
    with open(path, "w") as file:
        file.write(STUDY + study)
    out = os.path.join(folder, "out")
    arguments = [PROGRAM, command, path, "--data", text, "--out", out]
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return out


def losses(out):
    """What was tried, with its loss."""
    with open(os.path.join(out, "results.csv")) as file:
        for row in csv.DictReader(file):
            loss = float(row["loss"]) if row["loss"] else math.nan
            yield *(float(row[key]) for key in KEYS if key in row), loss


def measured(text):
    if not os.path.exists(TABLE):
        rows = []
        for decay, init in itertools.product(*GRID[1:]):
            with tempfile.TemporaryDirectory() as folder:
                rates = 'lr = { from = "2^-9", to = "2^-1" }\nverify = false\n'
                out = run("sweep", rates + f"weight_decay = {decay}\ninit_std = {init}", text, folder)
                with open(os.path.join(out, "results.csv")) as file:
                    for row in csv.DictReader(file):
                        rows.append((row["lr"], decay, init, row["loss"] or "nan"))
            print(f"grid: {len(rows)} of 225", file=sys.stderr)
        with open(TABLE, "w") as file:
            file.write(",".join((*KEYS, "loss")) + "\n")
            file.writelines(",".join(map(str, row)) + "\n" for row in rows)
    with open(TABLE) as file:
        return numpy.array([[float(row[key]) for key in (*KEYS, "loss")] for row in csv.DictReader(file)])


def searched(text, seed):
    """What is recommended, after how many runs, and all that was trained."""
    auto = "".join(f"{key} = {{ auto = true, from = {grid[0]}, to = {grid[-1]} }}\n" for key, grid in zip(KEYS, GRID))
    with tempfile.TemporaryDirectory() as folder:
        out = run("transfer", auto + f"search = {{ budget = 30, seed = {seed}, at_once = 2 }}\n", text, folder)
        with open(os.path.join(out, "tuned.json")) as file:
            tuned = json.load(file)["rules"][0]
        with open(os.path.join(out, "results.csv")) as file:
            rows = [[float(row[key] or "nan") for key in (*KEYS, "loss")] for row in csv.DictReader(file)]
    print(f"search {seed}: {tuned['report']['runs']} runs", file=sys.stderr)
    return [tuned["values"][key] for key in KEYS], tuned["report"]["runs"], rows


class Surface:
    """A Gaussian process through losses near the best, a length for each logarithm, by maximum likelihood."""

    def __init__(self, points, losses):
        near = losses < numpy.nanmin(losses) + NEAR
        self.points, self.mean = points[near], losses[near].mean()
        self.losses = losses[near] - self.mean
        self.parameters = self.best()
        _, self.factor, self.weights = self.likelihood(self.parameters)

    def kernel(self, parameters, one, other):
        lengths, height = numpy.exp(parameters[:3]), numpy.exp(2 * parameters[3])
        distance = (((one[:, None] - other[None]) / lengths) ** 2).sum(2)
        return height * numpy.exp(-distance / 2)

    def likelihood(self, parameters):
        noise = numpy.exp(2 * parameters[4])
        covariance = self.kernel(parameters, self.points, self.points) + (noise + 1e-9) * numpy.eye(len(self.points))
        factor = numpy.linalg.cholesky(covariance)
        weights = numpy.linalg.solve(factor.T, numpy.linalg.solve(factor, self.losses))
        return -self.losses @ weights / 2 - numpy.log(numpy.diag(factor)).sum(), factor, weights

    def best(self):
        """Coordinate by coordinate in ever smaller steps, from a smooth surface with little noise."""
        at = numpy.array([2.0, 3.0, 2.0, math.log(self.losses.std() + 1e-6), math.log(0.005)])
        value = self.likelihood(at)[0]
        for step in (1.0, 0.5, 0.25, 0.1, 0.05):
            moved = True
            while moved:
                moved = False
                for axis, sign in itertools.product(range(5), (step, -step)):
                    trial = at.copy()
                    trial[axis] += sign
                    found = self.likelihood(trial)[0]
                    if found > value + 1e-6:
                        at, value, moved = trial, found, True
        return at

    def __call__(self, points):
        return self.mean + self.kernel(self.parameters, numpy.atleast_2d(points), self.points) @ self.weights

    def lowest(self, bounds):
        """Of a fine grid, and of finer ones about the best."""
        low, high = bounds
        for _ in range(4):
            axes = [numpy.linspace(start, end, 13) for start, end in zip(low, high)]
            points = numpy.array(list(itertools.product(*axes)))
            best = points[self(points).argmin()]
            size = (high - low) / 6
            low, high = numpy.maximum(best - size, bounds[0]), numpy.minimum(best + size, bounds[1])
        return best, float(self(best)[0])


def main(text, rounds=10):
    grid = measured(text)
    points, losses = numpy.log2(grid[:, :3]), grid[:, 3]
    surface = Surface(points, losses)
    bounds = points.min(0), points.max(0)
    best, lowest = surface.lowest(bounds)
    print(f"lowest of the grid's surface: {lowest:.4f} at", dict(zip(KEYS, (2**best).round(4).tolist())))
    print(f"lowest loss of the grid: {numpy.nanmin(losses):.4f}; noise of the fit {math.exp(surface.parameters[4]):.4f}")
    found = [searched(text, seed) for seed in range(rounds)]
    rows = numpy.array([row for *_, rows in found for row in rows])
    whole = Surface(numpy.vstack([points, numpy.log2(rows[:, :3])]), numpy.append(losses, rows[:, 3]))
    least = whole.lowest(bounds)[1]
    print("| search | runs | lr | weight decay | init std | above the grid's lowest | above that of all, mnats |")
    print("|---|---|---|---|---|---|---|")
    above = []
    for seed, (values, runs, _) in enumerate(found):
        at = numpy.log2(values)
        above.append([1000 * (float(surface(at)[0]) - lowest), 1000 * (float(whole(at)[0]) - least)])
        row = [seed, runs, *(f"{value:.4g}" for value in values), *(f"{value:.1f}" for value in above[-1])]
        print("| " + " | ".join(map(str, row)) + " |")
    within = (numpy.array(above) <= 5).sum(0)
    print(f"within 5 mnats: {within[0]} of {rounds} by the grid's surface, {within[1]} by that of all runs")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
