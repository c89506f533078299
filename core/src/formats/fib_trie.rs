//! Every table of routes of IPv4 as `/proc/net/fib_trie` shows it, without the interfaces that they lead to.

use std::net::Ipv4Addr;

/// One route of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which table.
    pub table: Table,
    /// The network.
    pub network: Ipv4Addr,
    /// Length of its prefix.
    pub prefix: u32,
    /// Whether it is an address of this host.
    pub is_own: bool,
    /// The number of the interface that it leads to; `None` in the file, which does not tell.
    pub interface: Option<u32>,
}

/// Tables of routes (net/ipv4/fib_trie.c, `fib_table_print`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// That of what no rule leads elsewhere.
    Main,
    /// That of addresses of this host.
    Local,
    /// That of a VRF, or one that rules lead to.
    Other(u32),
}

/// Reads the routes of `/proc/net/fib_trie`.
pub fn parse(text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let (mut table, mut leaf) = (Table::Main, None);
    for line in text.lines() {
        if let Some(heading) = line.strip_suffix(':').filter(|it| !it.starts_with(' ')) {
            table = match heading.strip_prefix("Id ").map(str::parse) {
                Some(Ok(number)) => Table::Other(number),
                _ if heading == "Local" => Table::Local,
                _ => Table::Main,
            };
            continue;
        }
        let mut words = line.split_whitespace();
        match words.next() {
            Some("|--") => leaf = words.next().and_then(|it| it.parse::<Ipv4Addr>().ok()),
            // `/24 link UNICAST`; a branch is `+-- 10.0.0.0/8 2 0 2`.
            Some(first) if first.starts_with('/') => {
                let prefix = first[1..].parse::<u32>().ok().filter(|it| *it <= 32);
                let is_own = words.nth(1) == Some("LOCAL");
                rows.extend(leaf.zip(prefix).map(|(network, prefix)| Row {
                    table,
                    network,
                    prefix,
                    is_own,
                    interface: None,
                }));
            }
            _ => {}
        }
    }
    rows
}

impl Row {
    /// Returns whether an address is in the network.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32_u32.saturating_sub(self.prefix)).unwrap_or(0);
        u32::from(self.network) & mask == u32::from(address) & mask
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::{Row, Table, parse};

    #[test]
    fn every_table_is_read_with_its_networks_and_own_addresses() {
        let text = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
            Local:\n  |-- 127.0.0.0\n     /32 link BROADCAST\n     /8 host LOCAL\n\
            Id 100:\n  +-- 192.0.2.0/24 2 0 2\n     |-- 192.0.2.0\n        /24 link UNICAST tos=0x10\n";
        let row = |table, network: [u8; 4], prefix, is_own| Row {
            table,
            network: Ipv4Addr::from(network),
            prefix,
            is_own,
            interface: None,
        };
        assert_eq!(
            parse(text),
            [
                row(Table::Main, [0, 0, 0, 0], 0, false),
                row(Table::Local, [127, 0, 0, 0], 32, false),
                row(Table::Local, [127, 0, 0, 0], 8, true),
                row(Table::Other(100), [192, 0, 2, 0], 24, false),
            ]
        );
        assert!(parse(text)[3].contains(Ipv4Addr::new(192, 0, 2, 9)));
        assert!(!parse(text)[3].contains(Ipv4Addr::new(192, 0, 3, 9)));
        assert!(parse(text)[0].contains(Ipv4Addr::new(192, 0, 3, 9)));
    }
}
