"""structlog, imported without rich.

Where rich is installed, as for the command line's tables, structlog imports it to colour tracebacks: 52 modules and 4.5 MiB in every
process that writes JSON lines. Import ``structlog`` from here in what serves.
"""

from __future__ import annotations

import sys

if "rich" in sys.modules:
    import structlog
else:
    sys.modules["rich"] = None  # type: ignore[assignment]  # what the import system takes for "there is none"
    try:
        import structlog
    finally:
        del sys.modules["rich"]

__all__ = ["structlog"]
