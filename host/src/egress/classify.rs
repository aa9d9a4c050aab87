//! What kind of address it is, by the special-purpose registries of IANA. Only global unicast is public, whatever an IPv6 address wraps.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Anybody on the internet.
    Global,
    /// A service of the machine's cloud that hands out credentials. Nobody is granted it.
    Metadata,
    /// This machine, this network, nobody, or many at once.
    Special,
}

/// Services that clouds offer to whoever asks from inside.
const METADATA: [IpAddr; 18] = [
    // AWS, Azure, Google, Oracle, DigitalOcean and most others.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    // AWS: time, name server.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 253)),
    // AWS: credentials of ECS tasks and of EKS pods.
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    // Tencent.
    IpAddr::V4(Ipv4Addr::new(169, 254, 0, 23)),
    // Alibaba.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Azure's wire server: a public address.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Oracle.
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // AWS again.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    // Tencent again, Scaleway.
    IpAddr::V4(Ipv4Addr::new(169, 254, 10, 10)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 42, 42)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    // Oracle, Akamai, Alibaba, OpenStack.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    // Google.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// The kind of an address.
#[must_use]
pub fn classify(address: IpAddr) -> Class {
    let inner = match address {
        IpAddr::V6(address) => embedded(address),
        IpAddr::V4(_) => None,
    };
    let metadata = |address: IpAddr| METADATA.contains(&address);
    if metadata(address) || inner.is_some_and(|inner| metadata(inner.into())) {
        return Class::Metadata;
    }
    let global = match address {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => is_global_v6(address),
    };
    // A translator in front of us leads to the address inside.
    let wraps_special = inner.is_some_and(|inner| !is_global_v4(inner));
    if global && !wraps_special { Class::Global } else { Class::Special }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64 (both prefixes), 6to4, Teredo, ISATAP.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => Some(v4(high, low)),
        [0x64, 0xff9b, 0 | 1, .., high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x2001, 0, .., high, low] => Some(v4(!high, !low)),
        [.., 0 | 0x200, 0x5efe, high, low] => Some(v4(high, low)),
        _ => None,
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        // Anycast of the protocols themselves, inside a range that is not global.
        [192, 0, 0, 9 | 10] => true,
        // This network; private; loopback.
        [0 | 10 | 127, ..] => false,
        // Shared by a provider's customers.
        [100, 64..=127, ..] => false,
        // Link-local.
        [169, 254, ..] => false,
        [172, 16..=31, ..] => false,
        // Protocol assignments; documentation; the old 6to4 relays; private.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [192, 168, ..] => false,
        // Benchmarks.
        [198, 18 | 19, ..] => false,
        // Documentation.
        [198, 51, 100, _] | [203, 0, 113, _] => false,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => false,
        _ => true,
    }
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // NAT64 with its well-known prefix: as global as what it wraps.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => true,
        // Port control, TURN, service registration: anycast.
        [0x2001, 1, 0, 0, 0, 0, 0, 1..=3] => true,
        // AMT; AS112; ORCHIDv2; drone identifiers.
        [0x2001, 3, ..] | [0x2001, 4, 0x112, ..] | [0x2001, 0x20..=0x3f, ..] => true,
        // The other protocol assignments, Teredo and benchmarks among them.
        [0x2001, 0..=0x1ff, ..] => false,
        // Documentation; 6to4.
        [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Everything else that IANA has given out for global unicast.
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
