"""Certificates in folders, as Docker's own commands take them: ca.pem, cert.pem and key.pem."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import trustme


class CertificateAuthority:
    """Vouches for any name."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    def vouch(
        self, folder: Path, name: str, until: datetime | None = None, trusting: CertificateAuthority | None = None
    ) -> Path:
        """Make the folder of `name`, which trusts this authority, or another one."""
        certificate = self._ca.issue_cert(name, not_after=until)
        folder.mkdir()
        (trusting or self)._ca.cert_pem.write_to_path(folder / "ca.pem")
        certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        return folder
