"""Which ports take TLS, and which options make no sense together."""

from __future__ import annotations

import pytest

from composectl.compose.ports import Port, parse_ports
from composectl.config.settings import build
from composectl.config.tls import TlsConfig, check_redirects, check_tls, split_redirect
from composectl.errors import USAGE, ComposectlError, UsageError
from tests.support.options import flags

ACME = {"tls": "acme", "acme_email": "a@b.test"}


def config(**typed: object) -> TlsConfig:
    return build(TlsConfig, flags(**typed))


def ports(*entries: str) -> list[Port]:
    return [port for entry in entries for port in parse_ports(entry)]


def test_without_a_word_there_is_none() -> None:
    assert not config().is_on
    check_tls(config())


def test_each_certificate_has_its_key() -> None:
    made = config(tls_cert=("/a.pem", "/b.pem"), tls_key=("/a.key", "/a.key"))
    assert (made.certificates, made.keys) == (("/a.pem", "/b.pem"), ("/a.key", "/a.key"))
    check_tls(made)


def test_hsts_lasts_a_year_or_as_long_as_is_said() -> None:
    assert (config(hsts=True).hsts, config(hsts="60").hsts) == (31_536_000, 60)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("Shop.Test.", "shop.test"), ("*.shop.test", "*.shop.test"), ("192.0.2.1", "192.0.2.1"), ("::1", "::1")],
)
def test_a_domain_is_a_name_a_wildcard_or_an_address(name: str, meant: str) -> None:
    assert config(domain=name).domains == (meant,)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (
            {"tls": "internal", "tls_cert": "/a", "tls_key": "/a"},
            "`--tls internal` cannot be combined with `--tls-cert`",
        ),
        ({"tls": "acme", "acme_email": "a@b.test"}, "`--tls acme` requires `--domain`"),
        ({"tls": "acme", "domain": "shop.test"}, "`--tls acme` requires `--acme-email`"),
        ({**ACME, "domain": "*.shop.test"}, "`--tls acme` cannot prove `--domain *.shop.test`"),
        ({**ACME, "domain": "localhost"}, "`--tls acme` cannot prove `--domain localhost`"),
        ({**ACME, "domain": "192.0.2.1"}, "`--tls acme` cannot prove `--domain 192.0.2.1`"),
        ({"tls": "internal", "acme_email": "a@b.test"}, "`--acme-email` requires `--tls acme`"),
        ({"redirect_http": "80"}, "`--redirect-http` means nothing without TLS"),
        (
            {"tls": "internal", "tls_port": "80", "redirect_http": "80"},
            "`--tls-port 80` and `--redirect-http 80` are one",
        ),
    ],
)
def test_options_that_make_no_sense_together(typed: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_tls(config(**typed))
    assert raised.value.message.startswith(message)
    assert raised.value.exit_code == USAGE


def test_the_public_authority_is_that_of_lets_encrypt_unless_another_is_named() -> None:
    made = config(**ACME, domain="shop.test")
    check_tls(made)
    assert made.acme_server == "https://acme-v02.api.letsencrypt.org/directory"
    assert config(**ACME, acme_server="https://ca.test/dir").acme_server == "https://ca.test/dir"


@pytest.mark.parametrize(
    ("name", "text"), [("acme_email", "me"), ("acme_email", "a b@c.test"), ("acme_server", "http://ca.test")]
)
def test_what_is_no_address_is_refused(name: str, text: str) -> None:
    with pytest.raises(ComposectlError, match=f"invalid value `{text}`"):
        config(**{name: text})


def test_all_ports_take_tls_or_one() -> None:
    several = ports("443:80", "8443:80", "9000-9002:80")
    assert [config(tls="internal").is_for(port) for port in several] == [True] * len(several)
    assert [config(tls="internal", tls_port="8443").is_for(port) for port in several][:2] == [False, True]


def test_a_port_of_its_own_is_for_the_redirect() -> None:
    served, redirect = split_redirect(config(tls="internal", redirect_http="80"), ports("127.0.0.1:443:8080"))
    assert served == ports("127.0.0.1:443:8080")
    assert redirect is not None
    assert (redirect.host_ip, redirect.published) == ("127.0.0.1", (80, 80))


def test_a_published_port_becomes_the_one_for_the_redirect() -> None:
    served, redirect = split_redirect(config(tls="internal", redirect_http="80"), ports("80:8080", "443:8080"))
    assert served == ports("443:8080")
    assert redirect is not None
    assert redirect.published == (80, 80)


def test_one_port_is_left_for_https() -> None:
    with pytest.raises(UsageError, match="`--redirect-http 80` takes the only port that is listened on"):
        split_redirect(config(tls="internal", redirect_http="80"), ports("80:8080"))


def test_two_services_cannot_have_one_redirect() -> None:
    (plain,), (local,), (other,) = ports("80:1"), ports("127.0.0.1:80:1"), ports("81:1")
    check_redirects({"web": plain, "api": other, "db": None})
    for another in (plain, local):
        with pytest.raises(UsageError, match="leads to one HTTPS port: `web` and `api` have two"):
            check_redirects({"web": plain, "api": another})


def test_without_the_option_there_is_none() -> None:
    assert split_redirect(config(tls="internal"), ports("80:8080")) == (ports("80:8080"), None)
