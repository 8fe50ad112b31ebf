"""Which addresses a request may go to when its URL was named by a user or by a channel: one rule for all of them.

What is refused without the operator's word is everything that is not the public internet: this machine, private and
shared networks, links, clouds' metadata services, multicast, documentation; and each IPv6 form that carries such an
IPv4 address inside. Names are not judged here, for only what they resolve to says where a connection goes.
"""

import ipaddress
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from domain.errors import TallygateError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

URL_CHARACTERS_MAX: Final = 4096
_HOST_CHARACTERS_MAX: Final = 253
_LABEL_CHARACTERS_MAX: Final = 63
_PORT_MAX: Final = 65535
_SCHEMES: Final = {"http": 80, "https": 443}
_SOCKET_SCHEMES: Final = {**_SCHEMES, "ws": 80, "wss": 443}


class OutboundRefusedError(TallygateError):
    """An address that nobody may be sent to from here; the message says why, and holds nothing of its path."""

    code = "outbound_refused"


class OutboundRules(msgspec.Struct, frozen=True):
    """What the operator allows beyond the public internet."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()
    """Names in lower case, believed whatever they resolve to, but for metadata services and what no host has."""
    suffixes: tuple[str, ...] = ()
    """`.svc.example` for every name below it."""

    @classmethod
    def parse(cls, text: str) -> "OutboundRules":
        """Read `10.0.0.0/8, vllm.internal, *.svc.example`; ValueError says which part is none of these."""
        networks: list[Network] = []
        hosts: set[str] = set()
        suffixes: list[str] = []
        for part in filter(None, (each.strip() for each in text.split(","))):
            name = part.removeprefix("*.")
            try:
                networks.append(ipaddress.ip_network(part.replace("[", "").replace("]", "")))
            except ValueError:
                if "/" in part or not _is_name(name) or _looks_numeric(name):
                    raise ValueError(f"{part!r} is no address, network or host name") from None
                if name != part:
                    suffixes.append("." + name.lower())
                else:
                    hosts.add(name.lower())
        return cls(tuple(networks), frozenset(hosts), tuple(suffixes))

    def allows_name(self, host: str) -> bool:
        """Say whether the operator vouches for a name."""
        name = host.lower().rstrip(".")
        return name in self.hosts or name.endswith(self.suffixes)

    def refusal(self, address: Address, host: str = "") -> str | None:
        """Give why an address is refused, in words that follow "the address is"; None if it may be connected to.

        `host` is the name that led to it. An IPv6 address that carries an IPv4 address is judged by both.
        """
        for each in (address, *embedded(address)):
            if any(each in network for network in self.networks):
                continue
            reason = _reason(each)
            if reason is None or (reason not in _NEVER_BY_NAME and self.allows_name(host)):
                continue
            return reason
        return None


class Target(NamedTuple):
    """Where a URL leads, before any name is resolved."""

    scheme: str
    host: str
    """In lower case, in ASCII, without brackets."""
    port: int
    address: Address | None
    """Where the host is written as an address."""


def target(url: str, rules: OutboundRules, *, sockets: bool = False) -> Target:
    """Check a URL as far as its text tells; OutboundRefusedError says what is wrong with it.

    `sockets` allows addresses of WebSockets, too.

    A number in another form than the usual (`2130706433`, `0x7f.1`, `127.1`, `0177.0.0.1`) is refused: resolvers differ
    on what it means. So are user names and passwords, for they hide the host from whoever reads the address.
    """
    if len(url) > URL_CHARACTERS_MAX or not url.isprintable() or " " in url or "\\" in url:
        raise OutboundRefusedError("The address is not a URL: it is too long, or has characters that no URL has.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise OutboundRefusedError("The address is not a URL.") from None
    schemes = _SOCKET_SCHEMES if sockets else _SCHEMES
    if parts.scheme not in schemes:
        known = ", ".join(f"{scheme}://" for scheme in schemes)
        raise OutboundRefusedError(f"The address must begin with one of {known}.")
    if "@" in parts.netloc:
        raise OutboundRefusedError("The address must hold no user name or password.")
    if port is not None and not 0 < port <= _PORT_MAX:
        raise OutboundRefusedError("The address has a port that does not exist.")
    host, address = _host(host, is_bracketed=parts.netloc.startswith("["))
    if address is not None and (reason := rules.refusal(address)) is not None:
        raise refused(host, reason)
    return Target(parts.scheme, host, port or schemes[parts.scheme], address)


def refused(host: str, reason: str) -> OutboundRefusedError:
    """Give the error for a host whose address is not allowed."""
    return OutboundRefusedError(
        f"The host {host} may not be called: the address is {reason}. "
        "An operator can allow it with TALLYGATE_OUTBOUND_ALLOW."
    )


def _host(host: str, *, is_bracketed: bool) -> tuple[str, Address | None]:
    """Give a host in its one form, and the address that it is, if it is one."""
    if is_bracketed:
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError:
            raise OutboundRefusedError("The address has a host in brackets that is no IPv6 address.") from None
        if address.scope_id is not None:
            raise OutboundRefusedError("The address names an interface of this machine.")
        return str(address), address
    try:
        # Full-width digits, ideographic full stops and the like become what a resolver would make of them.
        name = host.encode("idna").decode("ascii").lower() if not host.isascii() else host.lower()
    except UnicodeError:
        raise OutboundRefusedError("The address has a host that is no name.") from None
    bare = name.removesuffix(".")
    if not _is_name(bare):
        raise OutboundRefusedError("The address has a host that is no name.")
    if not _looks_numeric(bare):
        return bare, None
    try:
        # Strict: four decimal numbers without leading zeros.
        return bare, ipaddress.IPv4Address(bare)
    except ValueError:
        raise OutboundRefusedError("The address has a host that is an unusual form of a number.") from None


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _HOST_CHARACTERS_MAX and all(
        0 < len(label) <= _LABEL_CHARACTERS_MAX
        and label.isascii()
        and label.replace("-", "").replace("_", "").isalnum()
        for label in name.split(".")
    )


def _looks_numeric(name: str) -> bool:
    """Say whether some resolver would read a name as a number: its last part is one, in any base."""
    last = name.rpartition(".")[2].lower()
    return last.isdigit() or (last.startswith("0x") and all(c in "0123456789abcdef" for c in last[2:]))


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


_METADATA: Final = "a cloud's metadata service"
_NOWHERE: Final = "no host's"
_NEVER_BY_NAME: Final = frozenset({_METADATA, _NOWHERE})
"""Whoever has a name can make it resolve to these; only a network that the operator writes allows them."""

_RANGES: Final[tuple[tuple[str, tuple[Network, ...]], ...]] = (
    # The narrow before the wide. IANA's special-purpose registries for IPv4 and IPv6, and the clouds' own documents.
    (
        _METADATA,
        _networks(
            "169.254.169.254/32",  # AWS, Azure, Google, DigitalOcean, Oracle
            "169.254.170.2/32",  # AWS ECS tasks
            "169.254.170.23/32",  # AWS EKS pods
            "169.254.42.42/32",  # Scaleway
            "100.100.100.200/32",  # Alibaba
            "192.0.0.192/32",  # Oracle, the older one
            "168.63.129.16/32",  # Azure's host agent, though the address is public
            "fd00:ec2::254/128",
            "fd00:ec2::23/128",
            "fd20:ce::254/128",  # Google
            "fd00:42::42/128",
        ),
    ),
    ("this machine's", _networks("127.0.0.0/8", "0.0.0.0/8", "::1/128", "::/128")),
    ("link-local", _networks("169.254.0.0/16", "fe80::/10")),
    ("private", _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10", "64:ff9b:1::/48")),
    ("shared by a carrier (CGNAT)", _networks("100.64.0.0/10")),
    (_NOWHERE, _networks("224.0.0.0/4", "ff00::/8", "240.0.0.0/4")),
    (
        "reserved",
        _networks(
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "100::/64",
            "2001:2::/48",
            "2001:10::/28",
            "2001:20::/28",
            "2001:db8::/32",
            "3fff::/20",
            "5f00::/16",
        ),
    ),
)
_GLOBAL: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_CARRIERS: Final = (*_networks("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96", "2001::/32", "2002::/16"), _NAT64)
"""IPv6 networks whose addresses stand for IPv4 ones; the IPv4 address inside decides."""


def _reason(address: Address) -> str | None:
    for reason, networks in _RANGES:
        if any(address in network for network in networks):
            return reason
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL:
        # All that is routed lies in 2000::/3; a carrier is judged by what it carries.
        return None if any(address in network for network in _CARRIERS) else "reserved"
    return None


def embedded(address: Address) -> tuple[ipaddress.IPv4Address, ...]:
    """Give the IPv4 addresses that an IPv6 address carries: mapped, compatible, NAT64, 6to4, Teredo, ISATAP."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    number = int(address)
    last = ipaddress.IPv4Address(number & 0xFFFFFFFF)
    found: list[ipaddress.IPv4Address] = []
    if number >> 32 in {0, 0xFFFF, 0xFFFF0000}:
        # ::a.b.c.d, ::ffff:a.b.c.d, and the translated ::ffff:0:a.b.c.d; not :: and ::1, which are themselves.
        found += [last] if number > 1 else []
    elif address in _NAT64:
        found.append(last)
    elif address.sixtofour is not None:
        found.append(address.sixtofour)
    elif address.teredo is not None:
        found += address.teredo
    if (number >> 32) & 0xFDFFFFFF == 0x00005EFE:  # noqa: PLR2004 -- ISATAP's interface id, with either u bit
        found.append(last)
    return tuple(found)
