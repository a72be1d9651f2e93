"""The program in the wheel: the commands that need no model to train."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutransfer import theory

OWN = Path(sys.executable).with_name("mutransfer")
BUILT = os.environ.get("MUTRANSFER_PROGRAM")


@pytest.fixture
def files(tmp_path):
    """Shapes of a model at two widths, coordinates, losses of a sweep, and training curves."""
    for name, width in (("base", 64), ("target", 256)):
        shapes = f'{{"up": [{width}, 8], "mix": [{width}, {width}], "down": [4, {width}]}}'
        (tmp_path / f"{name}.json").write_text(shapes)
    rows = ["width,step,module,layer,seed,l1"]
    rows += [
        f"{width},{step},head,output,{seed},{(1 + seed / 50) * (0 if step == 0 else 1)}"
        for width in (64, 128, 256)
        for step in (0, 1)
        for seed in (0, 1, 2)
    ]
    (tmp_path / "coords.csv").write_text("\n".join(rows) + "\n")
    rows = ["rule,width,lr,seed,loss"]
    rows += [
        f"mup,{width},{2.0**octave},{seed},{2 + 8 / width + 0.05 * (octave + 6) ** 2 + seed / 1e3}"
        for width in (64, 128, 256)
        for octave in range(-9, -2)
        for seed in (0, 1)
    ]
    (tmp_path / "runs.csv").write_text("\n".join(rows) + "\n")
    rows = ["width,seed,step,loss"]
    rows += [
        f"{width},{seed},{step},{4 / (1 + step) + 8 / width + seed / 1e3}"
        for width in (64, 128)
        for seed in (0, 1, 2)
        for step in range(40)
    ]
    (tmp_path / "curves.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def run(program, arguments, folder):
    done = subprocess.run(
        [program, *arguments.split()], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


MODEL = "--base base.json --target target.json --layout out-in --declare up=input"
COMMANDS = [
    ("--version", 0),
    (f"plan {MODEL} --declare down=output --lr 0.01 --json", 0),
    (f"plan {MODEL} --declare down=output", 0),
    (f"check {MODEL}", 1),
    ("explain MU016", 0),
    ("rules", 0),
    ("theory mup --optimizer adam --json", 0),
    ("analyze runs.csv", 0),
    ("monitor curves.csv", 0),
    ("coord --from coords.csv --embedding none", 0),
    ("coord --from coords.csv --embedding none --tied", 3),
    ("nothing", 2),
]


@pytest.mark.parametrize(("arguments", "code"), COMMANDS)
def test_says_what_the_whole_program_says(arguments, code, files):
    said = run(OWN, arguments, files)
    assert said[0] == code, said
    if BUILT:
        assert said == run(BUILT, arguments, files)


@pytest.mark.parametrize(
    "arguments",
    ["demo", "transfer study.toml", "sweep study.toml", "coord", "theory mup --measure"],
)
def test_what_trains_is_refused(arguments, tmp_path):
    (tmp_path / "study.toml").write_text('model = "mlp"\nwidths = [32, 64]\n')
    code, results, words = run(OWN, arguments, tmp_path)
    assert (code, results) == (2, "")
    assert words == (
        "error: this build of mutransfer has no training\nhint: in a clone, `cargo install "
        "--path crates/mutransfer-cli` makes the program that trains\n"
    )


def test_as_a_module(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mutransfer", "explain", "MU001"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == run(OWN, "explain MU001", tmp_path)[1]


def test_theory_is_that_of_the_program(tmp_path):
    _, said, _ = run(OWN, "theory ntk --optimizer sgd --json", tmp_path)
    assert json.loads(said) == [theory("ntk", "sgd")]
