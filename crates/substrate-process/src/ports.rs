//! Loopback TCP ports: given by the operating system, and looked at from the outside.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
};

/// The kernel's code for a listening socket in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// Asks the operating system for free loopback ports, all different. They are free now; whoever
/// records one keeps it by using it.
pub fn reserve(count: usize) -> io::Result<Vec<u16>> {
    // All are held until the last is given, so that none is given twice.
    let held: Vec<_> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<io::Result<_>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// Whether a port can be listened on now.
pub(crate) fn is_free(port: u16) -> io::Result<bool> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether any process of this machine listens on a port, on whatever address.
pub(crate) fn is_listened_on(port: u16) -> io::Result<bool> {
    let mut found = false;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match fs::read_to_string(table) {
            Ok(text) => found |= text.lines().any(|line| listens(line, port)),
            // A kernel without IPv6 has no such table.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn listens(line: &str, port: u16) -> bool {
    let mut fields = line.split_whitespace().skip(1);
    let local = fields.next().and_then(|local| local.rsplit_once(':'));
    let state = fields.nth(1);
    let local_port = local.and_then(|(_, hex)| u16::from_str_radix(hex, 16).ok());
    local_port == Some(port) && state == Some(LISTENING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_are_different_and_free() {
        let mut ports = reserve(20).expect("ports are available");
        assert!(ports.iter().all(|port| is_free(*port).expect("it can be looked at")));
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 20);
    }

    #[test]
    fn a_listener_is_seen() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert!(is_listened_on(port).expect("readable"));
        assert!(!is_free(port).expect("readable"));
        drop(listener);
        assert!(!is_listened_on(port).expect("readable"));
    }
}
