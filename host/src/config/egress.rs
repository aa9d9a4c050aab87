//! `[egress]`: what plugins may reach beside public addresses.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::ConfigError;
use super::read::path;
use crate::manifest::{Field, Table};

/// What plugins may reach beside public addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Egress {
    /// Ranges of addresses.
    pub private: Vec<IpNet>,
    /// A file with authorities that are trusted beside those of the operating system.
    pub ca: Option<PathBuf>,
}

/// The widest ranges: `10.0.0.0/8` and `fc00::/7` are ones.
const WIDEST: (u8, u8) = (8, 7);

/// Reads `[egress]`.
pub(super) fn egress(table: &Table<'_>, folder: &Path) -> Result<Egress, ConfigError> {
    let expected = "ranges such as \"10.1.0.0/16\"";
    let fields = table.get("private").map(|field| field.list(&format!("a list of {expected}"))).transpose()?.unwrap_or_default();
    let private = fields.iter().map(|field| range(field, expected)).collect::<Result<_, _>>()?;
    let ca = table.get("ca").map(|field| path(&field, "a file such as \"company-ca.pem\"", folder)).transpose()?;
    Ok(Egress { private, ca })
}

fn range(field: &Field<'_>, expected: &str) -> Result<IpNet, ConfigError> {
    let text = field.text(expected)?;
    let Ok(range) = text.parse::<IpNet>() else {
        let address = text.parse::<IpAddr>().ok().map(|address| format!("write \"{}\"", IpNet::from(address)));
        let name = || text.contains(|c: char| c.is_ascii_alphabetic()) && !text.contains(':');
        let name = name().then(|| "names go into a manifest; here the addresses behind them stand".to_owned());
        return Err(field.wrong(expected).with_help_if(address.or(name)));
    };
    if range.trunc() != range {
        return Err(field.wrong(expected).with_help(format!("the range that it lies in is \"{}\"", range.trunc())));
    }
    let widest = if range.addr().is_ipv4() { WIDEST.0 } else { WIDEST.1 };
    if range.prefix_len() < widest {
        let why = format!("a range of more than /{widest} is no private network: public addresses need no range");
        return Err(field.wrong(expected).with_help(why));
    }
    if range.addr().is_multicast() || range.addr().is_unspecified() {
        return Err(field.wrong(expected).with_help("nobody answers requests there"));
    }
    Ok(range)
}
