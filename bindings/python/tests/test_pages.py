"""The Python in pages runs, and so do the examples."""

import runpy
import subprocess
import sys

import pytest
from conftest import ROOT, run_blocks


def test_blocks_of_the_package_run(readme):
    assert readme["plan"].params["head.weight"].multiplier == 1 / 4


def test_blocks_of_the_project_run(capsys):
    run_blocks("README.md")
    assert capsys.readouterr().err == ""


# What each example ends with, and what it needs beside torch.
EXAMPLES = {
    "mlp.py": ("step 30  loss 0.", []),
    "gpt.py": ("29 tensors of a plain model", []),
    "coordinate_check.py": ("sp: fail; own update of 6 at t = 1", []),
    "from_mup.py": ("step 30  loss 0.", []),
    "hf_llama.py": ("step 10  loss 1.", ["transformers"]),
    "hf_trainer.py": ("loss 2.", ["transformers", "accelerate"]),
    "lightning_gpt.py": ("loss 0.", ["lightning"]),
    "optuna_proxy.py": ("target  loss 0.", ["optuna"]),
}
FOLDER = ROOT / "bindings/python/examples"


# Trainers warn about themselves and about each other.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run(example, capsys):
    said, needs = EXAMPLES[example]
    for module in needs:
        pytest.importorskip(module, reason=f"{module} is not installed")
    runpy.run_path(str(FOLDER / example), run_name="__main__")
    assert said in capsys.readouterr().out


def test_two_processes_run():
    """They import their program by its path, so it is run by itself."""
    command = [sys.executable, FOLDER / "fsdp.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert "step 20  loss 0." in done.stdout


def test_every_example_is_run():
    assert {path.name for path in FOLDER.glob("*.py")} == {*EXAMPLES, "fsdp.py"}
