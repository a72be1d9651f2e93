"""The Python in pages runs, and so do the examples."""

import runpy

import pytest
from conftest import ROOT, run_blocks


def test_blocks_of_the_package_run(readme):
    assert readme["plan"].params["head.weight"].multiplier == 1 / 4


def test_blocks_of_the_project_run(capsys):
    run_blocks("README.md")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("example", "said"),
    [
        ("coordinate_check.py", "sp: fail; own update of 6 at t = 1"),
        ("from_mup.py", "step 30  loss 0."),
    ],
)
def test_examples_run(example, said, capsys):
    runpy.run_path(str(ROOT / "bindings/python/examples" / example), run_name="__main__")
    assert said in capsys.readouterr().out
