"""What is shipped to run Andon with is accepted by Andon."""

from __future__ import annotations

from pathlib import Path

from monitor.site import load_site

DEPLOY = Path(__file__).parent.parent / "deploy"
SECRET = "not to be seen"


def test_the_site_of_the_containers_has_no_problem() -> None:
    loaded = load_site(DEPLOY / "site", {"ANDON_BROKER_PASSWORD": SECRET})
    assert not loaded.problems
    assert SECRET not in repr(loaded)


def test_no_shipped_file_holds_a_password() -> None:
    compose = (DEPLOY.parent / "docker-compose.yml").read_text(encoding="utf-8")
    site = (DEPLOY / "site" / "andon.yaml").read_text(encoding="utf-8")
    assert "${ANDON_BROKER_PASSWORD:?" in compose
    assert 'password: "${ANDON_BROKER_PASSWORD}"' in site
