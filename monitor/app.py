"""The wiring of the line: the only module that knows every part of it; cleaned up in reverse order."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from monitor import clock, linesocket
from monitor.alerting.channels import open_channels
from monitor.alerting.dispatcher import Dispatcher
from monitor.alerting.floods import FloodControl
from monitor.alerting.outbox import Outbox
from monitor.alerting.topics import AlarmTable, TopicPublisher
from monitor.collectors.acks import REDELIVERY_WINDOW
from monitor.collectors.embedded import embedded_broker
from monitor.collectors.mqtt import Collector
from monitor.database.ledger import Ledger, Step
from monitor.journal.reader import JournalReader
from monitor.journal.writer import JournalWriter
from monitor.line.commands import CommandDesk
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from monitor.line.retention import Retention
from monitor.line.ticker import Ticker
from monitor.settings import Broker
from monitor.site import Site

JOURNAL: Final = "journal"
ALARMS: Final = "alarms.db"


async def run_line(site: Site, stop: asyncio.Event) -> None:
    """Collect, journal, decide, alert, until `stop`."""
    settings, data = site.settings, site.settings.data_dir
    async with AsyncExitStack() as stack:
        ledger = Ledger(data / ALARMS)
        stack.callback(ledger.close)
        writer = JournalWriter(data / JOURNAL)
        stamp = clock.Stamper(writer.last_received)
        intake = Intake(writer, stamp)
        stack.callback(intake.close)

        notifier = FloodControl(settings.notify, ZoneInfo(settings.timezone), ledger.told())
        decider = Decider(ledger, lambda start: JournalReader(data / JOURNAL, start), notifier)
        stack.callback(decider.close)
        ticker = Ticker(decider, intake)
        retention = Retention(intake, decider, settings)
        outbox = Outbox(data / ALARMS)
        stack.callback(outbox.close)
        dispatcher = Dispatcher(outbox, open_channels(settings.notify), random=random.random)
        table = AlarmTable(data / ALARMS)
        stack.callback(table.close)

        await intake.begin(site.revision_if_new(ledger.last_revision()), tuple(settings.brokers))
        brokers = {name: await _reachable(broker, data, stack) for name, broker in settings.brokers.items()}
        assets = site.ruleset.assets
        publisher = TopicPublisher(
            next(iter(brokers.values())),
            table,
            site=settings.site,
            area_of=assets.area,
            areas=assets.areas,
            random=random.random,
        )
        collectors = [
            Collector(
                broker,
                name,
                site.filters(name),
                stamper=stamp,
                commit=intake.messages,
                on_link=ticker.on_link(name),
                known=writer.tail(name, REDELIVERY_WINDOW),
            )
            for name, broker in brokers.items()
        ]

        def committed(step: Step) -> None:
            if step.transitions:
                publisher.wake()
            if step.notifications:
                dispatcher.wake()

        async def health(_: dict[str, Any]) -> dict[str, Any]:
            return {"lag_entries": decider.lag(intake), "links": ticker.links, "assets": len(decider.fleet.monitors)}

        await stack.enter_async_context(
            linesocket.serving(data, {"health": health, "command": CommandDesk(decider, intake)})
        )
        async with asyncio.TaskGroup() as tasks:
            receiving = [tasks.create_task(collector.run()) for collector in collectors]
            others = [
                tasks.create_task(work)
                for work in (
                    decider.run(intake, committed),
                    ticker.run(),
                    dispatcher.run(),
                    publisher.run(),
                    retention.run(),
                )
            ]
            await stop.wait()
            await _cancel(receiving)
            await _cancel(others)


async def _reachable(broker: Broker, data: Path, stack: AsyncExitStack) -> Broker:
    """The broker with an address: an embedded one is started first."""
    if not broker.embedded:
        return broker
    address = await stack.enter_async_context(embedded_broker(data / "broker", broker.port))
    return broker.model_copy(update={"url": f"mqtt://{address.host}:{address.port}", "protocol": "3.1.1"})


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
