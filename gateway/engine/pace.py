"""How long the engine waits between two looks, and between two tries. Pure functions; seconds in and out."""

from __future__ import annotations

import random

LONGEST_POLL = 300.0
"""An upgrade that takes hours at Microsoft is looked at this often."""

LONGEST_LOOK = 120.0
"""An outcome that is not known is looked for at least this often."""

LONGEST_RETRY = 300.0
FIRST_RETRY = 5.0
JITTER = 0.1


def poll_pause(first: float, waited: float) -> float:
    """The pause before the next look: `first` in the beginning, growing with the time already waited.

    A minute in it is still short, after an hour it is the longest, so that a thousand upgrades of one
    evening do not scan Microsoft all night.
    """
    return jittered(min(max(first, waited / 8), max(first, LONGEST_POLL)))


def look_up_pause(first: float, patience: float, looks: int) -> float | None:
    """The pause after that many looks in vain for an outcome; None when they have taken `patience`.

    It is counted in looks, since a clock may jump.
    """
    pause, spent = first, 0.0
    for _ in range(looks):
        spent += pause
        pause = min(pause * 1.5, max(first, LONGEST_LOOK))
    return min(pause, patience - spent) if spent < patience else None


def retry_pause(first_poll: float, attempts: int) -> float:
    """The pause after the try number `attempts` failed: doubling, with jitter, never over five minutes.

    :param first_poll: a gateway that polls quickly also repeats quickly
    """
    pause: float = min(FIRST_RETRY, first_poll) * 2 ** min(attempts, 20)
    return min(pause, LONGEST_RETRY) * random.uniform(0.5, 1.0)  # noqa: S311 (no secret)


def jittered(pause: float) -> float:
    return pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 (no secret)


def spread(pause: float) -> float:
    """A little longer than what was asked for, so that not all come back at once."""
    return pause * random.uniform(1, 1 + JITTER)  # noqa: S311 (no secret)
