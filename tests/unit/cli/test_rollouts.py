"""What the verbs of a rollout want of whoever types them; what they ask is held against a pretended admin."""

from __future__ import annotations

import pytest

from proxy.cli.main import main


@pytest.mark.parametrize(
    "args",
    [
        ["rollout", "start", "shop"],
        ["rollout", "abort", "shop"],
        ["rollout", "promote"],
        ["rollout", "dance", "shop"],
        ["rollout", "watch", "shop", "--output", "xml"],
        ["rollout", "watch", "shop", "--timeout", "30"],
    ],
)
def test_what_is_missing_or_unknown_is_wrong_usage(args: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main.main(args)
