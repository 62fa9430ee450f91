"""What proves to an authority that a name is ours."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509

from composectl.certificates.acme_challenge import Challenges, challenge_file

ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


@pytest.fixture
def challenges(tmp_path: Path) -> Challenges:
    return Challenges(tmp_path)


def test_the_certificate_has_the_name_and_the_digest(challenges: Challenges, tmp_path: Path) -> None:
    challenges.answer_tls("Shop.test", "token.print")
    path = challenge_file(tmp_path, "shop.test")
    made = x509.load_pem_x509_certificate(path.read_bytes())
    proof = made.extensions.get_extension_for_oid(ACME_IDENTIFIER)
    assert proof.critical
    assert isinstance(proof.value, x509.UnrecognizedExtension)
    assert proof.value.value == b"\x04\x20" + sha256(b"token.print").digest()
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["Shop.test"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_answer_is_there_until_it_is_taken_back(challenges: Challenges, tmp_path: Path) -> None:
    forget = [challenges.answer_http("token", "token.print"), challenges.answer_tls("shop.test", "token.print")]
    assert challenges.tokens == {"token": "token.print"}
    assert len(list(tmp_path.iterdir())) == 1
    for each in forget:
        each()
        each()
    assert challenges.tokens == {}
    assert list(tmp_path.iterdir()) == []
