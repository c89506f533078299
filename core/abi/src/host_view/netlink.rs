//! What only a socket of the kernel tells: its tables of routes (rtnetlink(7)).

use std::io;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

/// The kernel sends at most 32 KiB at once (net/netlink/af_netlink.c, `netlink_dump`).
const MOST: usize = 64 << 10;

/// Types of messages, and the request of all there is (include/uapi/linux/netlink.h, rtnetlink.h).
const ERROR: u16 = 2;
const DONE: u16 = 3;
const GET_ROUTES: u16 = 26;
const REQUEST_DUMP: u16 = 0x301;

/// `AF_INET`.
const V4: u8 = 2;

/// Length of the head of a message, and of a request: behind the head is a `struct rtmsg` of twelve bytes.
const HEAD: usize = 16;
const REQUEST: u32 = 28;

/// Returns the messages with every route of IPv4, whatever its table; `None` where the kernel does not let us ask.
pub(super) fn routes() -> io::Result<Option<Vec<u8>>> {
    let opened = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None);
    let socket = match opened {
        Ok(socket) => socket,
        Err(Errno::ACCESS | Errno::PERM | Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT) => return Ok(None),
        Err(err) => return Err(err.into()),
    };
    // A head, and a `struct rtmsg` that asks for one family.
    let mut request = REQUEST.to_ne_bytes().to_vec();
    request.extend(GET_ROUTES.to_ne_bytes());
    request.extend(REQUEST_DUMP.to_ne_bytes());
    request.extend([0; 8]);
    request.push(V4);
    request.extend([0; 11]);
    sendto(&socket, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut messages = Vec::new();
    let mut buffer = vec![0; MOST];
    loop {
        let length = match recv(&socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((_, length)) => length,
            Err(Errno::INTR) => continue,
            Err(err) => return Err(err.into()),
        };
        let datagram = &buffer[..length.min(MOST)];
        match last(datagram) {
            Some(DONE) => {
                messages.extend_from_slice(datagram);
                return Ok(Some(messages));
            }
            None | Some(ERROR) => return Ok(None),
            Some(_) => messages.extend_from_slice(datagram),
        }
    }
}

/// Returns the type of the last message of a datagram, or of the first that is an error.
fn last(datagram: &[u8]) -> Option<u16> {
    let mut last = None;
    let mut rest = datagram;
    while let Some((head, _)) = rest.split_first_chunk::<HEAD>() {
        let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]);
        let length = usize::try_from(length).ok().filter(|it| (HEAD..=rest.len()).contains(it))?;
        last = Some(u16::from_ne_bytes([head[4], head[5]]));
        if last == Some(ERROR) {
            return last;
        }
        // Messages begin at multiples of four.
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    last
}

#[cfg(test)]
mod tests {
    use super::{DONE, ERROR, last};

    fn message(kind: u16, length: u32, body: usize) -> Vec<u8> {
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(vec![0; 10 + body]);
        message
    }

    #[test]
    fn the_last_message_of_a_datagram_ends_it_and_an_error_does_at_once() {
        let route = message(24, 30, 16);
        assert_eq!(last(&route), Some(24));
        assert_eq!(last(&[route.clone(), message(DONE, 20, 4)].concat()), Some(DONE));
        assert_eq!(last(&[message(ERROR, 36, 20), route].concat()), Some(ERROR));
        // What is cut is no message.
        assert_eq!(last(&message(24, 99, 4)), None);
        assert_eq!(last(&[]), None);
    }
}
