"""The gateways of the demonstration's own site: what its decoders claim."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from monitor.collectors.embedded import BrokerAddress
from monitor.demo.stage import write_site
from monitor.settings import Gateway
from monitor.site import load_site


def claims() -> tuple[Gateway, ...]:
    """As `andon.yaml` names them."""
    with TemporaryDirectory() as folder:
        write_site(Path(folder), BrokerAddress("127.0.0.1", 1883, "mosquitto"), 0)
        site, problems = load_site(Path(folder), {})
    assert site is not None, problems
    return site.settings.gateways
