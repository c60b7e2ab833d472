"""Which tests belong to which module: few enough that a change is tried within seconds, those that see most first."""

from __future__ import annotations

IGNORED = "tests/rules/test_ignored_quality.py"
EVERY = "tests/rules/detectors/test_every_detector.py"
SCENARIOS = "tests/scenarios/test_scenarios.py"
LIFE = (
    "tests/rules/test_life_cycle.py",
    "tests/rules/test_timers.py",
    "tests/rules/test_asset.py",
    SCENARIOS,
    "-k",
    "not test_scenarios or life or safety",
)
WATCHED = (
    "tests/rules/test_watch.py",
    "tests/rules/test_delay.py",
    "tests/rules/test_explanation.py",
    "tests/rules/test_time.py",
    "tests/rules/test_looking_back.py",
    "tests/rules/test_answering.py",
    "tests/rules/test_overrides.py",
    "tests/rules/test_chart_limits_in_service.py",
    "tests/rules/test_register.py",
    "tests/rules/test_charts.py::test_restarting_each_signal_is_an_occurrence_of_its_own",
    "tests/rules/test_charts.py::test_a_clock_that_was_set_back_moves_what_is_remembered_with_it",
    f"{EVERY}::test_a_clock_that_is_set_back_takes_all_that_it_remembers_along",
)
CHARTS = ("tests/rules/test_charts.py", "tests/rules/test_chart_learning.py", "tests/rules/test_textbook_charts.py")
LEARNING = ("tests/rules/test_learning_detectors.py",)
OWN = ("alarm_table", "anomaly", "capability", "condition", "control_chart", "count", "cusum", "deviation", "ewma",
       "forecast", "limits", "multivariate", "rate_of_change", "safety_function", "sequence", "silence", "stuck",
       "usage", "vibration_zone")  # fmt: skip
"""Detectors with a test file of their own."""


def _detector(name: str, *tests: str) -> tuple[str, tuple[str, ...]]:
    own = (f"tests/rules/detectors/test_{name}.py",) if name in OWN else ()
    chosen = f"not every_detector or ({name} and not grow)"
    return f"rules/detectors/{name}.py", (*own, *tests, IGNORED, EVERY, "-k", chosen)


TESTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "alarms": ("rules/alarms.py", LIFE),
    "life": ("rules/life.py", ("tests/rules/test_overrides.py", *LIFE)),
    "suppression": ("rules/suppression.py", LIFE),
    "timers": ("rules/timers.py", ("tests/rules/test_overrides.py", "tests/rules/test_answering.py", *LIFE)),
    "delay": (
        "rules/delay.py",
        ("tests/rules/test_watch.py", "tests/rules/test_delay.py", "tests/rules/test_explanation.py", *LIFE),
    ),
    "watch": ("rules/watch.py", (IGNORED, *WATCHED, *LIFE)),
    "limits": _detector("limits", "tests/rules/test_asset.py"),
    "deviation": _detector("deviation"),
    "count": _detector("count"),
    "stuck": _detector("stuck"),
    "sequence": _detector("sequence"),
    "condition": _detector("condition", "tests/rules/test_plant_rules.py"),
    "rate_of_change": _detector("rate_of_change"),
    "usage": _detector("usage"),
    "safety_function": _detector("safety_function", "tests/rules/test_register.py"),
    "vibration_zone": _detector("vibration_zone"),
    "alarm_table": _detector("alarm_table"),
    "silence": _detector(
        "silence", "tests/rules/test_time.py", "tests/rules/test_working_time.py", "tests/rules/learning/test_rhythm.py"
    ),
    "forecast": _detector("forecast"),
    "cusum": _detector("cusum", *CHARTS),
    "ewma": _detector("ewma", *CHARTS),
    "control_chart": _detector("control_chart", *CHARTS),
    "capability": _detector(
        "capability", "tests/rules/test_capability_alarms.py", "tests/rules/test_chart_limits_in_service.py"
    ),
    "anomaly": _detector("anomaly", *LEARNING),
    "multivariate": _detector("multivariate", *LEARNING, "tests/rules/learning/test_joint.py"),
}
