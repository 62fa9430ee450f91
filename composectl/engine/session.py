"""The SDK's client of one endpoint; importing it takes 0.1 s, so that it is imported to connect and not before."""

from __future__ import annotations

import warnings
from typing import Any

import docker
from docker.tls import TLSConfig
from requests.adapters import HTTPAdapter

from composectl import errors
from composectl.engine.endpoint import Endpoint, Tls

_CONNECTIONS = 256  # past the pool's size, urllib3 throws connections away and warns each time


class Session(docker.APIClient):
    """Talks to the engine in this version of the API, or, where it is `auto`, in the newest that the engine speaks."""

    def __init__(self, endpoint: Endpoint, timeout: int, version: str) -> None:
        tls = _tls_config(endpoint.tls) if endpoint.tls else False
        super().__init__(endpoint.url, version=version, timeout=timeout, tls=tls, max_pool_size=_CONNECTIONS)
        if endpoint.url.startswith("tcp:"):  # for which the SDK takes the pool's default size
            self.mount(self.base_url, HTTPAdapter(pool_maxsize=_CONNECTIONS))

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Trust what the endpoint names; by default, REQUESTS_CA_BUNDLE wins over it in requests."""
        return super().merge_environment_settings(url, proxies, stream, self.verify, cert)


# Private


def _tls_config(tls: Tls) -> TLSConfig:
    ca, cert, key = (tls.folder / f"{name}.pem" for name in ("ca", "cert", "key"))
    missing = [file.name for file in (cert, key) if not file.exists()]
    if len(missing) == 1:
        raise errors.bad_certificates(str(tls.folder), f"{missing[0]} is missing")
    if not tls.verify:
        warnings.filterwarnings("ignore", "Unverified HTTPS request")  # that is what was asked for
    return TLSConfig(
        client_cert=None if missing else (str(cert), str(key)),
        ca_cert=str(ca) if ca.exists() else None,
        verify=tls.verify,
    )
