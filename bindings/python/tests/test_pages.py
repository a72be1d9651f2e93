"""The Python in pages runs, and so do the examples."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = ["bindings/python/README.md", "README.md"]


@pytest.mark.parametrize("page", PAGES)
def test_blocks_run(page, capsys):
    text = (ROOT / page).read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    namespace = {}
    for block in blocks:
        exec(compile(block, page, "exec"), namespace)  # noqa: S102  (our own pages)
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
