"""The rule of what may be called, as a table."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.outbound import OutboundRefusedError, OutboundRules, embedded, target

NOTHING = OutboundRules()


def judged(address: str, rules: OutboundRules = NOTHING, host: str = "") -> str | None:
    return rules.refusal(ipaddress.ip_address(address), host)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450:4001:80b::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ],
)
def test_the_public_internet_may_be_called(address: str) -> None:
    assert judged(address) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "this machine's"),
        ("127.255.255.254", "this machine's"),
        ("0.0.0.0", "this machine's"),
        ("0.1.2.3", "this machine's"),
        ("::", "this machine's"),
        ("::1", "this machine's"),
        ("10.0.0.0", "private"),
        ("10.255.255.255", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("fc00::1", "private"),
        ("fdff::1", "private"),
        ("fec0::1", "private"),
        ("169.254.0.1", "link-local"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("169.254.169.254", "a cloud's metadata service"),
        ("169.254.170.2", "a cloud's metadata service"),
        ("100.100.100.200", "a cloud's metadata service"),
        ("168.63.129.16", "a cloud's metadata service"),
        ("192.0.0.192", "a cloud's metadata service"),
        ("fd00:ec2::254", "a cloud's metadata service"),
        ("fd20:ce::254", "a cloud's metadata service"),
        ("100.64.0.1", "shared by a carrier (CGNAT)"),
        ("100.127.255.255", "shared by a carrier (CGNAT)"),
        ("224.0.0.1", "no host's"),
        ("239.255.255.255", "no host's"),
        ("240.0.0.1", "no host's"),
        ("255.255.255.255", "no host's"),
        ("ff02::1", "no host's"),
        ("192.0.0.1", "reserved"),
        ("192.0.2.1", "reserved"),
        ("192.88.99.1", "reserved"),
        ("198.18.0.1", "reserved"),
        ("198.51.100.1", "reserved"),
        ("203.0.113.1", "reserved"),
        ("100::1", "reserved"),
        ("2001:db8::1", "reserved"),
        ("2001:20::1", "reserved"),
        ("3fff::1", "reserved"),
        ("5f00::1", "reserved"),
        ("4000::1", "reserved"),
    ],
)
def test_what_is_not_the_internet_is_refused_with_its_reason(address: str, reason: str) -> None:
    assert judged(address) == reason


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("::ffff:127.0.0.1", "this machine's"),
        ("::ffff:a9fe:a9fe", "a cloud's metadata service"),
        ("::ffff:0:10.0.0.1", "private"),
        ("::10.0.0.1", "private"),
        ("::127.0.0.1", "this machine's"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::169.254.169.254", "a cloud's metadata service"),
        ("64:ff9b:1::8.8.8.8", "private"),
        ("2002:7f00:1::1", "this machine's"),
        ("2002:c0a8:101::", "private"),
        ("2002:a9fe:a9fe::1", "a cloud's metadata service"),
        # Teredo: the server, then the client's address with every bit turned.
        ("2001:0:7f00:1:0:0:f7f7:f7f7", "this machine's"),
        ("2001:0:808:808:0:0:80ff:fffe", "this machine's"),
        ("2001:0:808:808:0:0:5601:5601", "a cloud's metadata service"),
        # ISATAP below a public prefix.
        ("2606:4700::5efe:10.0.0.1", "private"),
        ("2606:4700::200:5efe:127.0.0.1", "this machine's"),
    ],
)
def test_an_ipv4_address_inside_an_ipv6_one_is_judged(address: str, reason: str) -> None:
    assert judged(address) == reason


@given(st.ip_addresses(v=4))
def test_every_disguise_of_a_refused_address_is_refused(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    disguises = [
        0xFFFF << 32 | number,
        0x0064FF9B << 96 | number,
        0x2002 << 112 | number << 80,
        0x20010000 << 96 | 0x08080808 << 64 | (number ^ 0xFFFFFFFF),
    ]
    for disguise in map(ipaddress.IPv6Address, disguises):
        assert address in embedded(disguise)
        if NOTHING.refusal(address) is not None:
            assert NOTHING.refusal(disguise) is not None


RULES = OutboundRules.parse("10.1.0.0/16, 127.0.0.1, [fd00::]/8, vllm.internal, *.svc.example, 169.254.170.2")


@pytest.mark.parametrize(
    ("address", "host", "reason"),
    [
        ("10.1.2.3", "", None),
        ("::ffff:10.1.2.3", "", None),
        ("10.2.0.1", "", "private"),
        ("127.0.0.1", "", None),
        ("127.0.0.2", "", "this machine's"),
        ("fd12::1", "", None),
        ("192.168.1.1", "vllm.internal", None),
        ("192.168.1.1", "VLLM.internal.", None),
        ("192.168.1.1", "x.vllm.internal", "private"),
        ("192.168.1.1", "a.b.svc.example", None),
        ("192.168.1.1", "svc.example", "private"),
        ("192.168.1.1", "evilsvc.example", "private"),
        # A name is not enough for what gives out credentials: whoever has the name could point it there.
        ("169.254.169.254", "vllm.internal", "a cloud's metadata service"),
        ("fd00:ec2::254", "", None),
        ("169.254.170.2", "", None),
        ("224.0.0.1", "vllm.internal", "no host's"),
    ],
)
def test_the_operators_word_allows_what_it_names_and_no_more(address: str, host: str, reason: str | None) -> None:
    assert judged(address, RULES, host) == reason


@pytest.mark.parametrize("text", ["10.0.0.0/33", "a b", "http://x", "10.1", "0x7f.1", "*.*.x", "-/-", "10.0.0.1/8"])
def test_what_is_no_network_and_no_name_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="no address, network or host name"):
        OutboundRules.parse(text)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://api.openai.com/v1", "api.openai.com", 443),
        ("http://API.Example.com.:8080/x?y#z", "api.example.com", 8080),
        ("https://[2606:4700::1111]/", "2606:4700::1111", 443),
        ("https://bücher.example/", "xn--bcher-kva.example", 443),
        ("https://8.8.8.8:1/", "8.8.8.8", 1),
        ("https://my_host-1.example/", "my_host-1.example", 443),
    ],
)
def test_a_url_leads_to_its_host(url: str, host: str, port: int) -> None:
    assert target(url, NOTHING)[1:3] == (host, port)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.openai.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "data:text/plain,x",
        "unix:///run/docker.sock",
        "//example.com/",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://example.com@127.0.0.1/",
        "https://127.0.0.1#@example.com/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://exa mple.com/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com\r\nHost: x/",
        "https://example.com/\x00",
        "https://[::1/",
        "https://[example.com]/",
        "https://[fe80::1%25eth0]/",
        "https://a..b/",
        "https://" + "a" * 64 + ".example/",
        "https://example.com/" + "a" * 5000,
        "https://exam%70le.com/",
        "https://ex*mple.com/",
        # Loopback in all its forms.
        "http://127.0.0.1/",
        "http://127.0.0.1./",
        "http://127.1/",
        "http://127.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.0.0.01/",
        "http://0/",
        "http://0x/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://１２７.0.0.1/",  # noqa: RUF001 -- full-width digits, which IDNA makes plain
        "http://127。0。0。1/",
        "http://①②⑦.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://[fd00:ec2::254]/",
        "http://10.0.0.1/",
        "http://[fe80::1]/",
        "http://256.256.256.256/",
        "http://1.2.3.4.5/",
    ],
)
def test_a_url_that_hides_where_it_leads_or_leads_inside_is_refused(url: str) -> None:
    with pytest.raises(OutboundRefusedError):
        target(url, NOTHING)


def test_a_refusal_names_the_host_and_the_setting_and_not_the_path() -> None:
    with pytest.raises(OutboundRefusedError) as refused:
        target("http://10.0.0.7/secret-path?key=secret", NOTHING)

    message = str(refused.value)
    assert "10.0.0.7" in message
    assert "TALLYGATE_OUTBOUND_ALLOW" in message
    assert "secret" not in message
