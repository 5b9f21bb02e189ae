"""How many examples a property is tried with."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

USUAL = 100


def examples(count: int) -> settings:
    """Try ``count`` examples, for a property of which one costs tens of milliseconds.

    ``--hypothesis-profile=explore`` tries ten times as many. Fixtures are shared by the examples.
    """
    return settings(
        max_examples=count * settings.default.max_examples // USUAL,
        suppress_health_check=[HealthCheck.function_scoped_fixture, *settings.default.suppress_health_check],
    )
