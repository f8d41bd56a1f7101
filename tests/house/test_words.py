"""What is not used here is not used here."""

from __future__ import annotations

import pytest

from tests.house.tree import Source, sources
from tests.house.words import word_findings


def test_no_banned_word_or_call_is_used() -> None:
    assert [] == word_findings(sources("proxy", "loadtest", "tests"))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("proxy/wire/utils.py", ""),
        ("proxy/helpers/x.py", ""),
        ("tests/unit/test_manager.py", ""),
        ("proxy/control/x.py", "import asyncio\nasyncio.create_task(f())"),
        ("proxy/control/x.py", "from asyncio import create_task\ncreate_task(f())"),
        ("proxy/control/x.py", "self.loop.create_task(f())"),
        ("proxy/control/x.py", "import time\nt = time.time()"),
        ("proxy/control/x.py", "from time import monotonic as m\nclock = m"),
        ("proxy/control/x.py", "import time\nt = time.perf_counter()"),
        ("proxy/admin/x.py", "import datetime\nt = datetime.datetime.now()"),
        ("proxy/admin/x.py", "print(1)"),
        ("proxy/admin/x.py", "try:\n    f()\nexcept:\n    raise"),
        ("proxy/admin/x.py", "try:\n    f()\nexcept Exception:\n    pass"),
        ("proxy/admin/x.py", "x = y  # type: ignore"),
        ("proxy/admin/x.py", "x = y  # type: ignore[misc]"),
        ("proxy/admin/x.py", "x = y  # noqa: E501"),
        ("tests/integration/test_x.py", "import time\ntime.sleep(1)"),
        ("tests/e2e/test_x.py", "import asyncio\nasync def f():\n    await asyncio.sleep(0.1)"),
    ],
)
def test_a_banned_word_is_found(path: str, text: str) -> None:
    assert 1 == len(word_findings([Source.of(path, text)]))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("proxy/clock.py", "import time\nt = time.time()"),
        ("proxy/dataplane/x.py", "import time\nt = time.perf_counter()"),
        ("proxy/cli/x.py", "print(1)"),
        ("proxy/admin/x.py", "self.print(1)"),
        ("proxy/admin/x.py", "try:\n    f()\nexcept Exception:  # a mirror never fails a request\n    raise"),
        ("proxy/admin/x.py", "x = y  # type: ignore[misc]  # the stub is wrong"),
        ("proxy/admin/x.py", "x = y  # noqa: E501  # a URL is one word"),
        ("tests/kit/x.py", "import time\ntime.sleep(1)"),
        ("tests/unit/test_x.py", "import asyncio\nasync def f():\n    await asyncio.sleep(0)"),
    ],
)
def test_what_is_allowed_is_not_found(path: str, text: str) -> None:
    assert [] == word_findings([Source.of(path, text)])
