"""The SDK's client of one endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from composectl.engine.endpoint import Endpoint, Tls
from composectl.engine.session import Session
from composectl.errors import ComposectlError

API = "1.41"  # told, so that nothing is asked


@pytest.fixture
def certificates(tmp_path: Path) -> Tls:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).touch()
    return Tls(tmp_path)


def test_the_authority_of_the_endpoint_wins_over_the_environment(
    certificates: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/others.pem")
    with Session(Endpoint("tcp://far:2376", certificates), 1, API) as session:
        settings = session.merge_environment_settings(session.base_url, {}, None, None, None)
    assert settings["verify"] == str(certificates.folder / "ca.pem")
    assert settings["cert"] == tuple(str(certificates.folder / name) for name in ("cert.pem", "key.pem"))


@pytest.mark.parametrize("name", ["cert.pem", "key.pem"])
def test_half_a_certificate_is_told(certificates: Tls, name: str) -> None:
    (certificates.folder / name).unlink()
    with pytest.raises(ComposectlError, match=f": {name} is missing"):
        Session(Endpoint("tcp://far:2376", certificates), 1, API)


@pytest.mark.parametrize("url", ["tcp://far:2375", "unix:///near.sock"])
def test_as_many_connections_are_kept_as_are_in_use_at_once(url: str) -> None:
    with Session(Endpoint(url), 1, API) as session:
        pools = session.get_adapter(session.base_url)
        assert 256 in (getattr(pools, "_pool_maxsize", 0), getattr(pools, "max_pool_size", 0))
