"""Hypothesis for this suite: reproducible and quick by default; `HYPOTHESIS_PROFILE=long` searches at random, for as long as you like."""

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "quick",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long",
    settings.get_profile("quick"),
    derandomize=False,
    max_examples=2000,
    stateful_step_count=80,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
