//! Routes as the kernel sends them over a socket (rtnetlink(7)).

use std::net::Ipv4Addr;

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};

use super::fib_trie::{Row, Table};

/// Numbers of tables (include/uapi/linux/rtnetlink.h).
const LOCAL: u32 = 255;
const MAIN: u32 = 254;

/// Reads the routes of IPv4 that lead somewhere. A message that cannot be read ends them.
pub fn parse(mut messages: &[u8]) -> Vec<Row> {
    let mut rows = Vec::new();
    while let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(messages) {
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
        if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) = &message.payload {
            rows.extend(row(route));
        }
        // Messages begin at multiples of four.
        messages = messages.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
    }
    rows
}

/// Reads a route; one of several ways has a row for each.
fn row(route: &RouteMessage) -> Vec<Row> {
    let is_own = match route.header.kind {
        RouteType::Local => true,
        RouteType::Unicast => false,
        _ => return Vec::new(),
    };
    let mut number = u32::from(route.header.table);
    let mut network = Ipv4Addr::UNSPECIFIED;
    let mut interfaces = Vec::new();
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Table(it) => number = *it,
            RouteAttribute::Destination(RouteAddress::Inet(it)) => network = *it,
            RouteAttribute::Oif(it) => interfaces.push(*it),
            RouteAttribute::MultiPath(ways) => interfaces.extend(ways.iter().map(|it| it.interface_index)),
            _ => {}
        }
    }
    let table = match number {
        MAIN => Table::Main,
        LOCAL => Table::Local,
        other => Table::Other(other),
    };
    let prefix = u32::from(route.header.destination_prefix_length);
    let of = |it| Row { table, network, prefix, is_own, interface: Some(it) };
    interfaces.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::parse;
    use crate::formats::fib_trie::{Row, Table};

    /// A message as the kernel sends it, with attributes of four bytes.
    fn message(kind: u8, table: u8, prefix: u8, attributes: &[(u16, [u8; 4])]) -> Vec<u8> {
        let length = 28 + 8 * u32::try_from(attributes.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(24_u16.to_ne_bytes());
        bytes.extend(2_u16.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([2, prefix, 0, 0, table, 2, 253, kind, 0, 0, 0, 0]);
        for (name, value) in attributes {
            bytes.extend(8_u16.to_ne_bytes());
            bytes.extend(name.to_ne_bytes());
            bytes.extend(value);
        }
        bytes
    }

    #[test]
    fn routes_of_every_table_are_read_with_their_interfaces() {
        let (destination, interface, table) = (1, 4, 15);
        let number = |it: u32| it.to_ne_bytes();
        let messages = [
            message(1, 254, 24, &[(destination, [192, 0, 2, 0]), (interface, number(2))]),
            message(1, 0, 0, &[(table, number(1000)), (interface, number(3))]),
            message(
                2,
                10,
                32,
                &[(table, number(10)), (destination, [198, 51, 100, 7]), (interface, number(4))],
            ),
            // Unreachable, as each VRF has it.
            message(7, 10, 0, &[(table, number(10))]),
            vec![20, 0, 0, 0, 3, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ];
        let row = |table, network: [u8; 4], prefix, is_own, interface| Row {
            table,
            network: Ipv4Addr::from(network),
            prefix,
            is_own,
            interface: Some(interface),
        };
        assert_eq!(
            parse(&messages.concat()),
            [
                row(Table::Main, [192, 0, 2, 0], 24, false, 2),
                row(Table::Other(1000), [0, 0, 0, 0], 0, false, 3),
                row(Table::Other(10), [198, 51, 100, 7], 32, true, 4),
            ]
        );
        assert!(parse(&messages.concat()[..30]).is_empty());
    }
}
