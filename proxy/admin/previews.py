"""What the API shows of a preview: the file's own form for what matches, and figures beside what they belong to. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from proxy.config.build_route import shown_match
from proxy.control.preview import Preview


def preview_view(preview: Preview, old_digest: str, new_digest: str) -> dict[str, Any]:
    """The whole of it. ``rps`` is null for what is not there yet."""
    return {
        "same": preview.same,
        "refused": list(preview.refused),
        "old_digest": old_digest,
        "new_digest": new_digest,
        "routes": [
            {
                "change": effect.change.how,
                "route": effect.change.match.name,
                "match": shown_match(effect.change.match),
                "from": effect.change.before or None,
                "to": effect.change.after or None,
                "rps": effect.rps,
                "instead": effect.instead or None,
                "differences": msgspec.to_builtins(effect.change.differences),
            }
            for effect in preview.routes
        ],
        "services": [
            {
                "change": effect.change.how,
                "service": effect.change.service,
                "rps": effect.rps,
                "versions": [
                    {("change" if key == "how" else key): value for key, value in msgspec.to_builtins(version).items()}
                    for version in effect.change.versions
                ],
                "differences": msgspec.to_builtins(effect.change.differences),
            }
            for effect in preview.services
        ],
        "rollouts": msgspec.to_builtins(preview.rollouts),
        "other": list(preview.rest),
    }
