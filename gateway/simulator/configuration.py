"""What a test may switch while the simulator runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Every default is what Microsoft's own development kit needs to work."""

    latency: float = 3.0
    """Seconds from the start of an upgrade to its end."""
    response_delay: float = 0.0
    """Seconds added to every HTTP answer."""
    token_life_seconds: int = 3599
    replay_request_ids: bool = True
    """A POST with a known MS-RequestId is answered from memory and not carried out again."""
    execute_every_post: bool = False
    """The worst case: no POST is recognised as repeated, and none is refused while another one runs."""
    next_links_with_v1: bool = False
    documented_transition_key: bool = False
    """Answer the history under `transition`, as documented, and not under `items`."""
    trailing_blank_in_status: bool = True
    bom: bool = False
    pascal_case: bool = False
    requests_per_minute: int = 0
    """Per partner tenant; 0 does not throttle."""
    journal_reads: bool = True
    one_transition_per_customer: bool = False
    legacy_source_status: str = "deleted"
    patch_answers_202: bool = False
    availability_generation: int = 0
    """Another number makes every availability id a new one, as time does at Microsoft."""

    def changed(self, values: dict[str, Any]) -> Configuration:
        """Return a copy with some values changed.

        :raises ValueError: naming the key that is unknown or has the wrong type
        """
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        for key, value in values.items():
            if key not in known:
                raise ValueError(f"{key} is not a setting, expected one of {', '.join(known)}")
            _check(key, value, type(known[key]))
        return replace(self, **values)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _check(key: str, value: Any, expected: type) -> None:
    allowed = (int, float) if expected is float else (expected,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and expected is not bool):
        raise ValueError(f"{key}: expected {expected.__name__}, got {value!r}")
    if isinstance(value, (int, float)) and value < 0:
        raise ValueError(f"{key}: expected 0 or more, got {value!r}")
    if key == "legacy_source_status" and value not in ("deleted", "suspended"):
        raise ValueError(f"{key}: expected deleted or suspended, got {value!r}")
