"""Searches over learning rate, weight decay and initial standard deviation, beside the whole grid of them.

    cargo build --release
    pip install numpy
    python benches/grid.py TEXT [ROUNDS]

The task: a GPT of width 64 and depth 2 on a text, 200 steps of 16 x 64 bytes, AdamW, one seed of weights and batches, the
validation loss at the end; embeddings start at eight times the standard deviation of the rest. The grid has 9 x 5 x 5 points, and
its losses are in benches/grid.csv: they are read from there, or measured and written where the file is absent. A search is
`"auto"` for all three, within the bounds of the grid, of 30 runs at most; ROUNDS of them (10) differ in the seed of the search.

What is compared are values of one surface, a Gaussian process through all losses, of the grid and of the searches, as single runs
differ by chance: that at what a search recommends, minus the lowest at a point of the grid. What is further above the best than a
tenth of a nat, or diverged, counts as so far above. Between the points of the grid the surface is not looked at, unless there was
a search: through the grid alone it is lowest at a place where it is a fiftieth of a nat below all that is measured around it.
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
STEPS = (1, math.log2(10) / 2, 1)
GRID = tuple(
    [start * 2 ** (step * place) for place in range(count)]
    for start, step, count in zip((2.0**-10, 0.03, 2.0**-5), STEPS, (9, 5, 5))
)
STUDY = """
name = "grid"
widths = [64]
base_width = 64
target_width = 64
head_dim = 16
rules = ["mup"]
seeds = 1
steps = 200
batch = 16
context = 64
input = { init = 8 }
"""
NEAR = 0.1


def run(command, study, text, folder):
    path = os.path.join(folder, "study.toml")
    with open(path, "w") as file:
        file.write(STUDY + study)
    out = os.path.join(folder, "out")
    arguments = [PROGRAM, command, path, "--data", text, "--out", out]
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return out


def rows(out):
    """What was trained, with its loss."""
    with open(os.path.join(out, "results.csv")) as file:
        return [[float(row[key] or "nan") for key in (*KEYS, "loss")] for row in csv.DictReader(file)]


def is_of_grid(row):
    places = (math.log2(value / grid[0]) / step for value, grid, step in zip(row, GRID, STEPS))
    return all(abs(place - round(place)) < 1e-6 for place in places)


def measured(text):
    if not os.path.exists(TABLE):
        ranges = zip(KEYS, GRID, STEPS)
        grids = "".join(f"{key} = {{ from = {grid[0]}, to = {grid[-1]}, step = {step} }}\n" for key, grid, step in ranges)
        with tempfile.TemporaryDirectory() as folder:
            found = filter(is_of_grid, rows(run("transfer", grids, text, folder)))
            with open(TABLE, "w") as file:
                file.write(",".join((*KEYS, "loss")) + "\n")
                file.writelines(",".join(map(str, row)) + "\n" for row in found)
    with open(TABLE) as file:
        return numpy.array([[float(row[key]) for key in (*KEYS, "loss")] for row in csv.DictReader(file)])


def searched(text, seed):
    """What is recommended, after how many runs, and all that was trained."""
    auto = "".join(f"{key} = {{ auto = true, from = {grid[0]}, to = {grid[-1]} }}\n" for key, grid in zip(KEYS, GRID))
    with tempfile.TemporaryDirectory() as folder:
        out = run("transfer", auto + f"search = {{ budget = 30, seed = {seed}, at_once = 2 }}\n", text, folder)
        with open(os.path.join(out, "tuned.json")) as file:
            tuned = json.load(file)["rules"][0]
        found = rows(out)
    print(f"search {seed}: {tuned['report']['runs']} runs", file=sys.stderr)
    return [tuned["values"][key] for key in KEYS], tuned["report"]["runs"], found


class Surface:
    """A Gaussian process through losses, a length for each logarithm, by maximum likelihood. Far from all it is as high as allowed."""

    def __init__(self, points, losses):
        highest = numpy.nanmin(losses) + NEAR
        losses = numpy.fmin(losses, highest)
        self.points, self.mean = points, highest
        self.losses = losses - self.mean
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


def main(text, rounds=10):
    grid = measured(text)
    found = [searched(text, seed) for seed in range(rounds)]
    rows = numpy.array([row for *_, rows in found for row in rows])
    points, losses = numpy.log2(grid[:, :3]), grid[:, 3]
    surface = Surface(numpy.vstack([points, numpy.log2(rows[:, :3])]), numpy.append(losses, rows[:, 3]))
    fitted = surface(points)
    best, lowest = 2 ** points[fitted.argmin()], fitted.min()
    print(f"lowest of the grid: {lowest:.4f} at", dict(zip(KEYS, best.round(4).tolist())))
    print(f"noise of the fit: {math.exp(surface.parameters[4]):.4f}")
    print("| search | runs | lr | weight decay | init std | above the grid's lowest, mnats |")
    print("|---|---|---|---|---|---|")
    above = []
    for seed, (values, runs, _) in enumerate(found):
        above.append(1000 * (surface(numpy.log2(values))[0] - lowest))
        row = [seed, runs, *(f"{value:.4g}" for value in values), f"{above[-1]:.1f}"]
        print("| " + " | ".join(map(str, row)) + " |")
    print(f"within 5 mnats: {sum(value <= 5 for value in above)} of {rounds}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
