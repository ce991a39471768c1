//! A network, as 10.0.0.0/8 or an address alone.

use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    address: IpAddr,
    bits: u8,
}

/// What is no network.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a network\n\nhint: 10.0.0.0/8, fd00::/8, or one address")]
pub struct NoNet(String);

impl FromStr for Net {
    type Err = NoNet;

    fn from_str(text: &str) -> Result<Self, NoNet> {
        let wrong = || NoNet(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if bits > most {
            return Err(wrong());
        }
        // An IPv4 address in the form of IPv6 is IPv4 wherever it is compared.
        Ok(match address.to_canonical() {
            IpAddr::V4(v4) if address.is_ipv6() && bits >= 96 => Self { address: v4.into(), bits: bits - 96 },
            _ => Self { address, bits },
        })
    }
}

impl Net {
    /// Whether the address is in it. It is canonical: no IPv4 in the form of IPv6.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, other, width) = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u32::from(own).into(), u32::from(other).into(), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => (u128::from(own), u128::from(other), 128),
            _ => return false,
        };
        // A shift by all bits is none at all.
        (own ^ other).checked_shr(width - u32::from(self.bits)).unwrap_or(0) == 0
    }
}

/// Whether one of them has the address.
#[must_use]
pub fn any_contains(nets: &[Net], address: IpAddr) -> bool {
    nets.iter().any(|net| net.contains(address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contains(net: &str, address: &str) -> bool {
        net.parse::<Net>().expect("a network").contains(address.parse().expect("an address"))
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        for (net, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.9.9.9", "9.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
            ("::ffff:10.0.0.0/104", "10.2.3.4", "11.2.3.4"),
        ] {
            assert!(contains(net, inside) && !contains(net, outside), "{net}");
        }
        assert!(contains("0.0.0.0/0", "203.0.113.9") && contains("::/0", "2001:db8::1"));
        assert!(!contains("0.0.0.0/0", "::1") && !contains("::/0", "127.0.0.1"), "the families are two");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in
            ["", "10.0.0.0/33", "10.0.0/8", "::/129", "::ffff:10.0.0.0/200", "10.0.0.0/-1", "10.0.0.0/", "example.org"]
        {
            assert!(wrong.parse::<Net>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn all_addresses_that_share_the_prefix_are_in_it(
            own in any::<u128>(), other in any::<u128>(), bits in 0..=128_u8,
        ) {
            // Not one of those that stand for IPv4.
            let own = own | 1 << 127;
            let shared = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            let net = Net { address: IpAddr::V6(own.into()), bits };
            let inside = IpAddr::V6(((own & shared) | (other & !shared)).into());
            prop_assert!(net.contains(inside));
            prop_assert_eq!(net.contains(IpAddr::V6(other.into())), own & shared == other & shared);
        }

        #[test]
        fn no_text_makes_it_fail(text in ".{0,20}") { let _ = text.parse::<Net>(); }
    }
}
