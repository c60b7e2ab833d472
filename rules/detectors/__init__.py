"""The detectors: one file each, one line each here."""

from __future__ import annotations

from typing import Final

from rules.detectors.anomaly import AnomalyConfig
from rules.detectors.base import DetectorConfig
from rules.detectors.condition import ConditionConfig
from rules.detectors.limits import LimitsConfig
from rules.detectors.multivariate import MultivariateConfig
from rules.detectors.silence import SilenceConfig

CONFIGS: Final[dict[str, type[DetectorConfig]]] = {
    "limits": LimitsConfig,
    "condition": ConditionConfig,
    "silence": SilenceConfig,
    "anomaly": AnomalyConfig,
    "multivariate": MultivariateConfig,
}
"""By `detect.type`."""
