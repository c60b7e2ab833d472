"""The detectors: one file each, one line each here."""

from __future__ import annotations

from typing import Final

from rules.detectors.base import DetectorConfig
from rules.detectors.capability import CapabilityConfig
from rules.detectors.condition import ConditionConfig
from rules.detectors.control_chart import ControlChartConfig
from rules.detectors.cusum import CusumConfig
from rules.detectors.ewma import EwmaConfig
from rules.detectors.limits import LimitsConfig
from rules.detectors.silence import SilenceConfig

CONFIGS: Final[dict[str, type[DetectorConfig]]] = {
    "limits": LimitsConfig,
    "condition": ConditionConfig,
    "silence": SilenceConfig,
    "control_chart": ControlChartConfig,
    "ewma": EwmaConfig,
    "cusum": CusumConfig,
    "capability": CapabilityConfig,
}
"""By `detect.type`."""
