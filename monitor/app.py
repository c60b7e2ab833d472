"""The wiring of the line: the only module that knows every part of it; cleaned up in reverse order."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from monitor import clock, linesocket
from monitor.alerting.channels import open_channels
from monitor.alerting.dispatcher import Dispatcher
from monitor.alerting.floods import FloodControl
from monitor.alerting.outbox import Outbox
from monitor.alerting.policy import Directory
from monitor.alerting.topics import AlarmTable, TopicPublisher
from monitor.collectors.acks import REDELIVERY_WINDOW
from monitor.collectors.embedded import embedded_broker
from monitor.collectors.mqtt import Collector
from monitor.database.ledger import Ledger, Step
from monitor.database.quarantine import Room as QuarantineRoom
from monitor.decoding import present
from monitor.journal.disk import Reserve
from monitor.journal.integrity import mended
from monitor.journal.reader import JournalReader
from monitor.journal.writer import JournalWriter
from monitor.line.commands import CommandDesk
from monitor.line.decider import Decider
from monitor.line.drops import DropWatch
from monitor.line.hostclock import HostClock
from monitor.line.intake import Intake
from monitor.line.quarantine import QuarantineDesk
from monitor.line.reload import Reload, former_filters, newest_revision
from monitor.line.retention import Retention, stored
from monitor.line.room import Room, keep_reserve
from monitor.line.ticker import Ticker
from monitor.line.watch import JournalWatch
from monitor.settings import Broker, Settings
from monitor.site import Site
from rules.assetmodel import AssetModel

SWITCH_SECONDS: Final = 0.0005
"""How long a thread may keep the interpreter from the event loop."""

log = structlog.get_logger()


async def run_line(site: Site, stop: asyncio.Event) -> None:
    """Collect, journal, decide, alert, until `stop`."""
    settings, data = site.settings, site.settings.data_dir
    async with AsyncExitStack() as stack:
        reserve = Reserve(data, settings.journal.reserve)
        stack.callback(reserve.give_back)
        reserve.settle()
        ledger = Ledger(settings.alarm_database, room=QuarantineRoom(size=settings.quarantine.max_size))
        stack.callback(ledger.close)
        come = (ledger.floor(), ledger.position(), stored(settings))
        found = mended(settings.journal_directory, needed=min(come), known=max(come))
        writer = JournalWriter(settings.journal_directory, at_least=max(come))
        if writer.head > found.end:
            log.error("journal_too_short", end=found.end, known=writer.head, hint="what was not yet decided is lost")
        stamp = clock.Stamper(writer.last_received)
        room = Room(data, settings.journal.reserve)
        room.look()
        intake = Intake(writer, stamp, room, settings.when_full)
        stack.callback(intake.close)

        notifier = FloodControl(settings.notify, ZoneInfo(settings.timezone), ledger.told())
        reader = partial(JournalReader, settings.journal_directory)
        decider = Decider(ledger, reader, notifier, partial(present, site))
        stack.callback(decider.close)
        ticker = Ticker(decider, intake)
        drops = DropWatch(intake, data)
        retention = Retention(intake, decider, settings)
        outbox = Outbox(settings.alarm_database)
        stack.callback(outbox.close)
        channels, directory = open_channels(settings.notify), Directory(settings.notify)
        dispatcher = Dispatcher(outbox, channels, directory, random=random.random)
        quarantine = QuarantineDesk(decider, intake, settings)
        table = AlarmTable(settings.alarm_database)
        stack.callback(table.close)

        await intake.begin(site.revision_if_new(newest_revision(ledger, reader)), tuple(settings.brokers))
        brokers = {name: await _reachable(broker, data, stack) for name, broker in settings.brokers.items()}

        def assets() -> AssetModel:
            return decider.fleet.rules.assets

        publisher = TopicPublisher(
            next(iter(brokers.values())),
            table,
            site=settings.site,
            area_of=lambda asset: assets().area(asset),
            areas=lambda: assets().areas(),
            random=random.random,
        )
        collectors = {
            name: Collector(
                broker,
                name,
                site.filters(name),
                stamper=stamp,
                commit=intake.messages,
                on_link=ticker.on_link(name),
                on_statistic=drops.on_statistic(name),
                known=writer.tail(name, REDELIVERY_WINDOW),
                largest_payload=site.largest_payload(name),
                former_filters=former_filters(ledger, name),
            )
            for name, broker in brokers.items()
        }

        def hold(held: bool) -> None:
            for collector in collectors.values():
                collector.hold(held)

        watch = JournalWatch(
            intake,
            decider,
            retention,
            room,
            settings.journal_directory,
            settings.when_full,
            hold,
            ledger.known_holes(),
        )

        def committed(step: Step) -> None:
            if step.transitions:
                publisher.wake()
            if step.notifications:
                dispatcher.wake()

        async def health(_: dict[str, Any]) -> dict[str, Any]:
            return {
                "links": ticker.links,
                "waiting": {name: collector.waiting for name, collector in collectors.items()},
                "lag_entries": decider.lag(intake),
                "assets": len(decider.fleet.monitors),
                "unwatched": decider.fleet.refused,
                "journal": watch.health(),
                "problems": {name: collector.problem for name, collector in collectors.items()},
                "dropped": drops.dropped(),
                "qos": decider.tally.qos(),
            }

        async def set_aside(wish: dict[str, Any]) -> dict[str, Any]:
            await intake.set_aside(settings.journal_directory, int(wish.get("segment", -1)))
            return {}

        def follow(fresh: Settings) -> None:
            reserve.resize(fresh.journal.reserve)
            room.reserve, intake.when_full = fresh.journal.reserve, fresh.when_full
            watch.replace(fresh.when_full)
            retention.replace(fresh)
            quarantine.replace(fresh)
            ledger.give_room(QuarantineRoom(size=fresh.quarantine.max_size))

        handlers: dict[str, linesocket.Handler] = {
            "health": health,
            "command": CommandDesk(decider, intake),
            "reload": Reload(site, intake, decider, notifier, dispatcher, collectors, follow),
            "quarantine-feed": quarantine.feed,
            "quarantine-expire": quarantine.expire,
            "set_aside": set_aside,
        }
        await stack.enter_async_context(linesocket.serving(data, handlers))
        _prefer_the_loop()
        async with asyncio.TaskGroup() as tasks:
            receiving = [tasks.create_task(collector.run()) for collector in collectors.values()]
            others = [
                tasks.create_task(work)
                for work in (
                    decider.run(intake, committed),
                    ticker.run(),
                    drops.run(ticker.links),
                    HostClock(intake).run(),
                    dispatcher.run(),
                    publisher.run(),
                    retention.run(),
                    quarantine.run(),
                    watch.run(),
                    keep_reserve(reserve, room),
                )
            ]
            await stop.wait()
            room.close()
            await _cancel(receiving)
            await _cancel(others)


def _prefer_the_loop() -> None:
    """Threads give way to it soon, and no collection looks again through what stands since the start."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()


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
