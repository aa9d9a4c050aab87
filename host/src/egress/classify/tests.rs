//! The classes against the registries of IANA, which are written down here once more, and the attacks of the catalogue.

use super::{Class, classify};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>, with the column "globally reachable"; N/A counts as no. The last rows are
/// those of the multicast registry and of the class E space.
const V4: &[(&str, bool)] = &[
    ("0.0.0.0/8", false),
    ("0.0.0.0/32", false),
    ("10.0.0.0/8", false),
    ("100.64.0.0/10", false),
    ("127.0.0.0/8", false),
    ("169.254.0.0/16", false),
    ("172.16.0.0/12", false),
    ("192.0.0.0/24", false),
    ("192.0.0.0/29", false),
    ("192.0.0.8/32", false),
    ("192.0.0.9/32", true),
    ("192.0.0.10/32", true),
    ("192.0.0.170/32", false),
    ("192.0.0.171/32", false),
    ("192.0.2.0/24", false),
    ("192.31.196.0/24", true),
    ("192.52.193.0/24", true),
    ("192.88.99.0/24", false),
    ("192.168.0.0/16", false),
    ("192.175.48.0/24", true),
    ("198.18.0.0/15", false),
    ("198.51.100.0/24", false),
    ("203.0.113.0/24", false),
    ("240.0.0.0/4", false),
    ("255.255.255.255/32", false),
    ("224.0.0.0/4", false),
];

/// <https://www.iana.org/assignments/iana-ipv6-special-registry>, likewise. What is not in 2000::/3 is not given out for global unicast
/// (<https://www.iana.org/assignments/ipv6-address-space>).
const V6: &[(&str, bool)] = &[
    ("::/0", false),
    ("2000::/3", true),
    ("::1/128", false),
    ("::/128", false),
    ("::ffff:0:0/96", false),
    ("64:ff9b::/96", true),
    ("64:ff9b:1::/48", false),
    ("100::/64", false),
    ("100:0:0:1::/64", false),
    ("2001::/23", false),
    ("2001::/32", false),
    ("2001:1::1/128", true),
    ("2001:1::2/128", true),
    ("2001:1::3/128", true),
    ("2001:2::/48", false),
    ("2001:3::/32", true),
    ("2001:4:112::/48", true),
    ("2001:10::/28", false),
    ("2001:20::/28", true),
    ("2001:30::/28", true),
    ("2001:db8::/32", false),
    ("2002::/16", false),
    ("2620:4f:8000::/48", true),
    ("3fff::/20", false),
    ("5f00::/16", false),
    ("fc00::/7", false),
    ("fe80::/10", false),
    ("fec0::/10", false),
    ("ff00::/8", false),
];

/// The list of the catalogue's S03, and others of the kind.
const METADATA: &[&str] = &[
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
];

fn reachable_v4(address: Ipv4Addr) -> bool {
    let rows = V4.iter().map(|(net, global)| (net.parse::<Ipv4Net>().unwrap(), *global));
    rows.filter(|(net, _)| net.contains(&address)).max_by_key(|(net, _)| net.prefix_len()).is_none_or(|(_, global)| global)
}

fn reachable_v6(address: Ipv6Addr) -> bool {
    let rows = V6.iter().map(|(net, global)| (net.parse::<Ipv6Net>().unwrap(), *global));
    rows.filter(|(net, _)| net.contains(&address)).max_by_key(|(net, _)| net.prefix_len()).is_some_and(|(_, global)| global)
}

fn agrees(address: IpAddr) -> bool {
    let reachable = match address {
        IpAddr::V4(address) => reachable_v4(address),
        // What the well-known prefix of NAT64 leads to is as reachable as what it wraps.
        IpAddr::V6(address) => match address.octets() {
            [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => reachable_v4(Ipv4Addr::new(a, b, c, d)),
            _ => reachable_v6(address),
        },
    };
    match classify(address) {
        Class::Global => reachable,
        Class::Special => !reachable,
        Class::Metadata => true,
    }
}

#[test]
fn figure_18_every_slash_16_of_ipv4_agrees_with_iana() {
    let nets: Vec<Ipv4Net> = V4.iter().map(|(net, _)| net.parse().unwrap()).collect();
    for high in 0..=u16::MAX {
        let low = [0, 1, 0x0100, 0x7fff, 0x8000, 0xfffe, 0xffff];
        for address in low.map(|low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))) {
            assert!(agrees(address.into()), "{address}");
        }
    }
    // Where the registry cuts finer: both ends of each range, and their neighbours.
    for net in nets {
        for end in [net.network(), net.broadcast()].map(u32::from) {
            for address in [end.wrapping_sub(1), end, end.wrapping_add(1)].map(Ipv4Addr::from) {
                assert!(agrees(address.into()), "{address} near {net}");
            }
        }
    }
}

#[test]
fn figure_18_each_prefix_of_ipv6_agrees_with_iana() {
    for (net, _) in V6 {
        let net: Ipv6Net = net.parse().unwrap();
        for end in [net.network(), net.broadcast()].map(u128::from) {
            for address in [end.wrapping_sub(1), end, end.wrapping_add(1)].map(Ipv6Addr::from) {
                assert!(agrees(address.into()), "{address} near {net}");
            }
        }
    }
    // And every /16, where nothing is wrapped: its first parts and what follows.
    for high in 0..=u16::MAX {
        for second in [0, 1, 0xdb8, 0xffff] {
            let address = Ipv6Addr::new(high, second, 7, 7, 7, 7, 7, 7);
            let wraps = matches!(address.segments(), [0x2001, 0, ..] | [0x64, 0xff9b, ..]);
            assert!(wraps || agrees(address.into()), "{address}");
        }
    }
}

#[test]
fn s01_literal_private_addresses_are_not_global() {
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.1.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "100::1",
        "3fff::1",
        "5f00::1",
    ] {
        assert_eq!(classify(address.parse().unwrap()), Class::Special, "{address}");
    }
    for address in ["1.1.1.1", "8.8.8.8", "93.184.215.14", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700::1111", "2a00:1450::1"] {
        assert_eq!(classify(address.parse().unwrap()), Class::Global, "{address}");
    }
}

#[test]
fn s02_addresses_inside_addresses_are_seen() {
    for inner in ["127.0.0.1", "10.1.2.3", "192.168.7.7", "100.64.0.1", "224.0.0.1", "0.0.0.0"] {
        let [a, b, c, d] = inner.parse::<Ipv4Addr>().unwrap().octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        for outer in [
            Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low),
            Ipv6Addr::new(0x2606, 1, 2, 3, 0, 0x5efe, high, low),
        ] {
            assert_eq!(classify(outer.into()), Class::Special, "{outer} wraps {inner}");
        }
    }
    // Only the well-known prefix of NAT64 leads to the internet.
    assert_eq!(classify("64:ff9b::8.8.8.8".parse().unwrap()), Class::Global);
    for other in ["::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b:1::808:808", "2002:808:808::1", "2001:0:808:808::f7f7:f7f7"] {
        assert_eq!(classify(other.parse().unwrap()), Class::Special, "{other}");
    }
}

#[test]
fn s03_metadata_services_have_a_class_of_their_own_also_inside_other_addresses() {
    for address in METADATA {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(classify(address), Class::Metadata, "{address}");
        let IpAddr::V4(v4) = address else { continue };
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        for outer in [
            v4.to_ipv6_mapped(),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 0),
            Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
        ] {
            assert_eq!(classify(outer.into()), Class::Metadata, "{outer}");
        }
    }
    // The neighbours are ordinary addresses of their ranges.
    assert_eq!(classify("168.63.129.17".parse().unwrap()), Class::Global);
    assert!("169.254.0.0/16".parse::<IpNet>().unwrap().contains(&"169.254.169.255".parse::<IpAddr>().unwrap()));
    assert_eq!(classify("169.254.169.255".parse().unwrap()), Class::Special);
}
