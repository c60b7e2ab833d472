"""What is being made and with which tool, as far as a chart depends on it."""

from __future__ import annotations

from typing import Any, Final, Protocol

from rules.charting.keys import ChartKeys
from rules.events import Value
from rules.limit_table import written
from rules.signals import Signal

TOOL: Final = "tool"
"""The key of the context whose change begins the runs anew unless the rule names others."""


class Plant(Protocol):
    """What a chart asks of the asset that it is built for."""

    def context(self, key: str) -> Signal | None:
        """The signal that tells a key of the asset's context; None if its type has no such key."""

    @property
    def ignore_quality(self) -> bool:
        """Whether the rule wants the value as delivered, whatever its quality."""


class Setting:
    """`product` is what the limits go by: the value of the rule's `per`, or nothing. It is `known` once it was told.

    `told` says whether anything tells of a product or a tool at all, `traced` whether of lot or part.
    """

    def __init__(self, plant: Plant, keys: ChartKeys) -> None:
        self._per = None if keys.per is None else plant.context(keys.per)
        self._tools = [plant.context(key) for key in (TOOL,) if keys.restart_on is None]
        self._tools += [plant.context(key) for key in keys.restart_on or ()]
        self.told = self._per is not None or any(tool is not None for tool in self._tools)
        self._lot, self._part = plant.context("lot"), plant.context("part")
        self.traced = self._lot is not None or self._part is not None
        self.known = keys.per is None
        self.product = ""
        self._with: list[Value] = [None] * len(self._tools)

    def changed(self) -> bool:
        """Whether the product or a tool is another than last time; the first to be known is no change of tool."""
        turned = False
        if self._per is not None and self._per.known is not None:
            product = written(self._per.known)
            turned, self.known = product != self.product or not self.known, True
            self.product = product
        for i, tool in enumerate(self._tools):
            if tool is not None and tool.known is not None and tool.known != self._with[i]:
                turned = turned or self._with[i] is not None
                self._with[i] = tool.known
        return turned

    def origin(self) -> tuple[Value, Value]:
        """Lot and part that are being made."""
        lot, part = self._lot, self._part
        return None if lot is None else lot.known, None if part is None else part.known

    def snapshot(self) -> list[Any]:
        """Whether the product is known, which, and the tools."""
        return [self.known, self.product, list(self._with)]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self.known, self.product, tools = data
        self._with = [float(tool) if type(tool) is int else tool for tool in tools]
