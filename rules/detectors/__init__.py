"""The detectors: one file each, one line each here."""

from __future__ import annotations

from typing import Final

from rules.detectors.alarm_table import AlarmTableConfig
from rules.detectors.anomaly import AnomalyConfig
from rules.detectors.base import DetectorConfig
from rules.detectors.capability import CapabilityConfig
from rules.detectors.condition import ConditionConfig
from rules.detectors.control_chart import ControlChartConfig
from rules.detectors.count import CountConfig
from rules.detectors.cusum import CusumConfig
from rules.detectors.deviation import DeviationConfig
from rules.detectors.ewma import EwmaConfig
from rules.detectors.forecast import ForecastConfig
from rules.detectors.limits import LimitsConfig
from rules.detectors.multivariate import MultivariateConfig
from rules.detectors.rate_of_change import RateOfChangeConfig
from rules.detectors.safety_function import SafetyFunctionConfig
from rules.detectors.sequence import SequenceConfig
from rules.detectors.silence import SilenceConfig
from rules.detectors.stuck import StuckConfig
from rules.detectors.usage import UsageConfig
from rules.detectors.vibration_zone import VibrationZoneConfig

CONFIGS: Final[dict[str, type[DetectorConfig]]] = {
    "limits": LimitsConfig,
    "condition": ConditionConfig,
    "silence": SilenceConfig,
    "deviation": DeviationConfig,
    "rate_of_change": RateOfChangeConfig,
    "stuck": StuckConfig,
    "alarm_table": AlarmTableConfig,
    "count": CountConfig,
    "sequence": SequenceConfig,
    "usage": UsageConfig,
    "anomaly": AnomalyConfig,
    "multivariate": MultivariateConfig,
    "vibration_zone": VibrationZoneConfig,
    "safety_function": SafetyFunctionConfig,
    "forecast": ForecastConfig,
    "control_chart": ControlChartConfig,
    "ewma": EwmaConfig,
    "cusum": CusumConfig,
    "capability": CapabilityConfig,
}
"""By `detect.type`."""
