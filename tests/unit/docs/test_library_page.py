"""The example of docs/howto/library.md, run as it stands."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO

import pytest

from tests.support.pages import DOCS
from tests.unit.compiling import compiled_once

compiled_once()

PAGE = (DOCS / "howto" / "library.md").read_text()


@pytest.mark.slow
def test_the_example_prints_what_the_page_says() -> None:
    (example,) = re.findall(r"(?ms)^```python\n(.*?)^```$", PAGE)
    (said,) = re.findall(r"(?ms)^```text\n(.*?)^```$", PAGE)
    with redirect_stdout(StringIO()) as printed:
        exec(compile(example, "docs/howto/library.md", "exec"), {})
    assert printed.getvalue() == said
