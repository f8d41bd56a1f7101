"""The kinds of records in a history: what notifications can be about. Knows nothing of what makes them."""

from __future__ import annotations

RECORD_KINDS: dict[str, str] = {
    "first": "a service is seen for the first time, and its target is stable at once",
    "stable_gone": "what was stable is no version of the configuration any more",
    "started": "a rollout begins",
    "asking": "hooks are asked, and waited for",
    "hook": "hooks have answered",
    "frozen": "a freeze window holds the next step",
    "step": "the next step is taken",
    "gate": "a gate is reached",
    "paused": "a rollout stands still until a person says otherwise",
    "resumed": "a paused rollout goes on",
    "promoting": "the candidate gets everything",
    "switching": "a version gets everything at once, on an operator's word",
    "promoted": "the candidate is stable",
    "shadowed": "a rollout of copies is over, and its comparison stands",
    "rolling_back": "the candidate loses everything",
    "rolled_back": "no worker gives the candidate a request any more",
    "abandoned": "a rollout ends because another target is wanted",
    "settled": "the stable version is the target again",
}
"""Each kind, and what it says has happened; in the order of a rollout."""
