"""Where webhooks are sent: never to an address that is not public.

Whatever a name resolves to at that moment; and over TLS only to the name's own certificate.
"""

import socket
import ssl
import subprocess

import pytest

from coupon_management_flask.messaging.webhooks import posting

from ...support.webhook_receiver import running_receiver
from .conftest import deliver_due, happen

PUBLIC = "93.184.215.14"


@pytest.fixture
def names(monkeypatch):
    """Resolve names to the addresses given for each lookup in turn, the last ones for ever.

    What was looked up and what was connected to is noted.
    """

    class Names:
        answers: list[list[str]] = [[]]
        asked: list[str] = []
        connected: list[str] = []

    names, connect, look_up = Names(), socket.socket.connect, socket.getaddrinfo
    names.asked, names.connected = [], []

    def getaddrinfo(host, port, *args, **kwargs):
        if host != "shop.example.com":
            return look_up(host, port, *args, **kwargs)
        names.asked.append(host)
        addresses = names.answers.pop(0) if len(names.answers) > 1 else names.answers[0]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "nobody knows it")
        return [
            answer for address in addresses for answer in look_up(address, port, *args, **kwargs)
        ]

    def noting(self, address):
        if self.family != socket.AF_UNIX:
            names.connected.append(address[0])
            assert address[0].startswith("127."), "no test speaks to the world"
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", noting)
    return names


@pytest.fixture
def error(shop):
    def error(webhook):
        return shop.get(f"/api/v1/webhooks/{webhook['id']}/deliveries").json["results"][0]["error"]

    return error


def delivered_to(webhook, error):
    happen()
    return deliver_due(), error(webhook)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1"],
        ["64:ff9b::7f00:1"],
    ],
    ids="-".join,
)
def test_a_name_that_leads_anywhere_private_is_never_connected_to(
    subscribe, receiver, names, error, allow_private, addresses
):
    webhook = subscribe(receiver.url("shop.example.com"))
    allow_private(False)
    names.answers = [addresses]

    assert delivered_to(webhook, error) == (0, "address_not_allowed")

    assert (names.connected, receiver.received) == ([], [])


def test_what_was_allowed_when_the_webhook_was_made_is_checked_again_with_each_delivery(
    subscribe, receiver, error, allow_private
):
    webhook = subscribe()
    allow_private(False)

    assert delivered_to(webhook, error) == (0, "address_not_allowed")
    assert receiver.received == []


def test_the_address_that_was_checked_is_the_one_connected_to_and_the_name_is_asked_for_once(
    subscribe, receiver, names, error
):
    webhook = subscribe(receiver.url("shop.example.com"))
    # Somebody who answers with another address as soon as the first was looked at.
    names.answers = [["127.0.0.1"], ["127.0.0.2"]]

    assert delivered_to(webhook, error) == (1, None)

    assert names.asked == ["shop.example.com"]
    assert "127.0.0.2" not in names.connected
    assert receiver.received[0].headers["host"] == f"shop.example.com:{receiver.port}"


def test_the_next_address_is_tried_where_the_first_takes_no_connection(
    subscribe, receiver, names, error
):
    webhook = subscribe(receiver.url("shop.example.com"))
    names.answers = [["127.0.0.2", "127.0.0.1"]]

    assert delivered_to(webhook, error) == (1, None)


def test_a_name_that_nobody_knows_is_a_failure(subscribe, receiver, names, error):
    webhook = subscribe(receiver.url("shop.example.com"))
    assert delivered_to(webhook, error) == (0, "name_not_found")

    webhook = subscribe(receiver.url("shop..example.com"))
    assert delivered_to(webhook, error) == (0, "name_not_found")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of shop.example.com and its key, in one file."""
    file = tmp_path_factory.mktemp("tls") / "shop.pem"
    words = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=shop.example.com "
        "-addext subjectAltName=DNS:shop.example.com -keyout - -out -"
    )
    file.write_bytes(subprocess.run(words.split(), capture_output=True, check=True).stdout)
    return file


@pytest.fixture
def secure_receiver(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with running_receiver(context) as receiver:
        yield receiver


def test_over_tls_the_certificate_must_be_the_names_and_be_trusted(
    subscribe, secure_receiver, names, error, certificate, monkeypatch
):
    names.answers = [["127.0.0.1"]]
    by_name, by_address = (
        subscribe(secure_receiver.url("shop.example.com"), ["coupon.created"]),
        subscribe(secure_receiver.url(), ["coupon.updated"]),
    )
    happen("coupon.created")
    assert (deliver_due(), error(by_name), secure_receiver.received) == (0, "tls_failed", [])

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    assert delivered_to(by_name, error) == (1, None)
    happen("coupon.updated")
    assert (deliver_due(), error(by_address)) == (0, "tls_failed")
    assert len(secure_receiver.received) == 1
    assert secure_receiver.received[0].verified(by_name["secret"])


def test_a_handshake_that_never_ends_is_cut_off(subscribe, receiver, error, monkeypatch):
    monkeypatch.setattr(posting, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        webhook = subscribe(f"https://127.0.0.1:{silent.getsockname()[1]}/")

        assert delivered_to(webhook, error) == (0, "timed_out")
