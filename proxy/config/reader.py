"""The whole way from a path to an Intent: read, merge, shape, check, build. All mistakes of one run come out together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from proxy import limits
from proxy.config import build, merge
from proxy.config.check import check
from proxy.config.check_tls import check_tls_files
from proxy.config.report import Report
from proxy.config.shape import shape
from proxy.model.intent import Intent


def load(path: Path, *, env: Mapping[str, str], overrides: Sequence[tuple[str, str]] = (), to_serve: bool = False) -> Intent:
    """The configuration at ``path``, a file or a directory, with ``overrides`` (key path and value, as ``--set`` gives them) applied.

    Raises ConfigInvalid with every mistake; nothing of an invalid configuration is ever given out. The digest covers the bytes of the
    files, the overrides and the environment that was read, and not where the files lie. With ``to_serve`` the
    files that it names for TLS are opened too: certificates, keys and authorities.
    """
    return _checked(merge.read(path, env=env, overrides=overrides), to_serve=to_serve)


def load_text(text: bytes, name: str) -> Intent:
    """The configuration in ``text``, called ``name`` in mistakes. No environment is read and no file opened. Raises ConfigInvalid."""
    return _checked(merge.merged([(name, text)], env={}), to_serve=False)


def _checked(document: merge.Document, *, to_serve: bool) -> Intent:
    shaped = shape(document)
    check(document, shaped)
    if to_serve:
        check_tls_files(Report(document, shaped))
    document.mistakes.raise_if_any()
    return build.intent(shaped.file, document.digest, min(os.cpu_count() or 1, limits.WORKERS_MAX))
