"""SSLyze, which tries what is known to be weak in TLS, finds nothing weak."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.proxy_process import Workspace

NAME = "shop.test"
OLD = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
FIT = r"TLS_(ECDHE_(ECDSA|RSA)_WITH_)?(AES_(128|256)_GCM_SHA(256|384)|CHACHA20_POLY1305_SHA256)"
KEYS = {"ECDSA": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "RSA": ("rsa:2048",)}
SCANS = """certinfo sslv2 sslv3 tlsv1 tlsv1_1 tlsv1_2 tlsv1_3 compression openssl_ccs fallback heartbleed robot reneg
resum elliptic_curves ems early_data"""


@pytest.mark.parametrize("source", ["ECDSA", "RSA", "internal"])
def test_nothing_weak_is_found(place: Workspace, tmp_path: Path, source: str) -> None:
    if source == "internal":
        words: tuple[str, ...] = ("--tls", "internal", "--domain", NAME)
        root = place.state / "composectl" / "certificates" / "authority.crt"
    else:
        root = tmp_path / "root.pem"
        words = ("--tls-cert", f"{make_chain(tmp_path, KEYS[source])}", "--tls-key", f"{tmp_path}/shop.key")
    proxy = place.proxy(place.backend(), words=words)
    assert place.comes_to("ready")
    found = scan(proxy.port, root, tmp_path / "found.json")
    _, _, complaints = proxy.ends_by(signal.SIGINT)
    assert not complaints
    check_protocols(found)
    check_attacks(found)
    check_chain(found["certificate_info"], root, has_intermediate=source != "internal")


def make_chain(folder: Path, key: tuple[str, ...]) -> Path:
    """The file with a certificate and the one that vouches for it, which root.pem vouches for.

    By openssl: in those of trustme the names are critical, which RFC 5280, section 4.2.1.6, advises against.
    """
    below = ("-addext", "keyUsage=critical,keyCertSign", "-addext", "basicConstraints=critical,CA:true")
    leaf = ("-addext", f"subjectAltName=DNS:{NAME}", "-addext", "basicConstraints=critical,CA:false")
    for stem, issuer, extensions in (("root", "", below), ("middle", "root", below), ("shop", "middle", leaf)):
        command = ["openssl", "req", "-x509", "-days", "30", "-nodes", "-subj", f"/O={stem}", "-newkey", *key]
        command += ["-keyout", f"{folder}/{stem}.key", "-out", f"{folder}/{stem}.pem", "-config", "/dev/null"]
        command += ["-addext", "subjectKeyIdentifier=hash", "-addext", "authorityKeyIdentifier=keyid", *extensions]
        signer = ["-CA", f"{folder}/{issuer}.pem", "-CAkey", f"{folder}/{issuer}.key"] if issuer else []
        subprocess.run([*command, *signer], check=True, capture_output=True)
    chain = folder / "chain.pem"
    chain.write_text((folder / "shop.pem").read_text() + (folder / "middle.pem").read_text())
    return chain


def scan(port: int, root: Path, into: Path) -> dict[str, Any]:
    """The results of all scans, each of which must have been whole."""
    command = [f"{ROOT}/.tools/sslyze/bin/sslyze", "--json_out", f"{into}", "--certinfo_ca_file", f"{root}"]
    command += ["--mozilla_config", "disable", "--sni", NAME, *(f"--{scan}" for scan in SCANS.split())]
    done = subprocess.run([*command, f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=120, check=False)
    assert not done.returncode, done.stdout + done.stderr
    (server,) = json.loads(into.read_text())["server_scan_results"]
    scans = {name: each for name, each in server["scan_result"].items() if name != "http_headers"}
    assert {each["status"] for each in scans.values()} == {"COMPLETED"}
    return {name: each["result"] for name, each in scans.items()}


def check_protocols(found: dict[str, Any]) -> None:
    accepted = {
        name.removesuffix("_cipher_suites"): [each["cipher_suite"]["name"] for each in result["accepted_cipher_suites"]]
        for name, result in found.items()
        if name.endswith("_cipher_suites")
    }
    assert [suite for version in OLD for suite in accepted[version]] == []
    for version in ("tls_1_2", "tls_1_3"):
        assert accepted[version]
        assert [suite for suite in accepted[version] if not re.fullmatch(FIT, suite)] == []


def check_attacks(found: dict[str, Any]) -> None:
    assert not found["tls_compression"]["supports_compression"]
    assert not found["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"]
    assert found["session_renegotiation"]["supports_secure_renegotiation"]
    assert not found["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
    assert not found["heartbleed"]["is_vulnerable_to_heartbleed"]
    assert found["robot"]["robot_result"] == "NOT_VULNERABLE_RSA_NOT_SUPPORTED"
    assert found["tls_fallback_scsv"]["supports_fallback_scsv"]
    assert found["tls_extended_master_secret"]["supports_ems_extension"]
    assert not found["tls_1_3_early_data"]["supports_early_data"]
    assert found["session_resumption"]["tls_ticket_resumption_result"] == "FULLY_SUPPORTED"
    assert "X25519" in [curve["name"] for curve in found["elliptic_curves"]["supported_curves"]]


def check_chain(found: dict[str, Any], root: Path, *, has_intermediate: bool) -> None:
    (deployment,) = found["certificate_deployments"]
    assert deployment["received_chain_has_valid_order"]
    assert not deployment["received_chain_contains_anchor_certificate"]
    assert not deployment["verified_chain_has_sha1_signature"]
    assert len(deployment["received_certificate_chain"]) == 1 + has_intermediate
    faults = [each["validation_error"] for each in deployment["path_validation_results"]]
    assert None in faults, faults
    assert deployment["verified_certificate_chain"][-1]["as_pem"].split() == root.read_text().split()
    assert NAME in deployment["received_certificate_chain"][0]["subject_alternative_name"]["dns_names"]
