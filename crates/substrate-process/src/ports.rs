//! Loopback TCP ports: given by the operating system, and looked at from the outside.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::Duration,
};

/// How long a listener may take to take a connection.
const PATIENCE: Duration = Duration::from_millis(200);

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

/// Whether a process listens on a loopback port: whoever connects there is refused if none does. The
/// kernel's table of sockets would say it too, but costs milliseconds to read.
pub(crate) fn is_listened_on(port: u16) -> io::Result<bool> {
    match TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), PATIENCE) {
        // A connection that meets itself was given this very port, so nobody had it.
        Ok(stream) => Ok(stream.local_addr()? != stream.peer_addr()?),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        // Its queue is full.
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(true),
        Err(error) => Err(error),
    }
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
