"""The Python in pages runs."""

import re
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
