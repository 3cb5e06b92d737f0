//! Where the platform listens: a port that is taken is no problem unless the user named it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use windlass_model::ErrorCode;

use crate::{
    args::UpArgs,
    environment::{Outcome, problem},
    output::Output,
};

/// The port unless said.
const PORT: u16 = 7300;

pub(super) fn bind(args: &UpArgs, output: Output) -> Outcome<TcpListener> {
    check_loopback(args)?;
    let listener = match args.listen {
        Some(address) => TcpListener::bind(address).map_err(|error| refused(address, &error))?,
        None => by_default(output)?,
    };
    listener.set_nonblocking(true).map_err(|error| {
        problem(ErrorCode::Internal, format!("the listener cannot be set up: {error}"), "try again")
    })?;
    Ok(listener)
}

fn by_default(output: Output) -> Outcome<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    match TcpListener::bind(address) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            output.note(&format!("port {PORT} is taken: a free one is used instead"));
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            TcpListener::bind(any).map_err(|error| refused(any, &error))
        }
        Err(error) => Err(refused(address, &error)),
    }
}

/// Nothing listens beyond loopback unless the operator says so.
fn check_loopback(args: &UpArgs) -> Outcome<()> {
    if let Some(gateway) = args.gateway_listen.filter(|address| address.ip() != Ipv4Addr::LOCALHOST)
    {
        return Err(problem(
            ErrorCode::InvalidRequest,
            format!("the gateway cannot listen on {}", gateway.ip()),
            "it listens on 127.0.0.1: name a port of it, such as --gateway-listen 127.0.0.1:7301",
        ));
    }
    match args.listen {
        Some(address) if !address.ip().is_loopback() && !args.allow_remote => Err(problem(
            ErrorCode::InvalidRequest,
            format!("{address} is reachable from other machines, without TLS"),
            "listen on 127.0.0.1, or add --allow-remote if a proxy with TLS stands in front",
        )),
        Some(_) | None => Ok(()),
    }
}

fn refused(address: SocketAddr, error: &io::Error) -> Box<windlass_model::Problem> {
    match error.kind() {
        io::ErrorKind::AddrInUse => problem(
            ErrorCode::PortInUse,
            format!("{address} is in use"),
            "name another one with --listen, or leave it out: a free port is found then",
        ),
        _ => problem(
            ErrorCode::InvalidRequest,
            format!("cannot listen on {address}: {error}"),
            "name an address of this machine, and a port above 1023",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    fn code(args: &UpArgs) -> Option<ErrorCode> {
        bind(args, Output::new(Format::Json)).err().map(|problem| problem.code)
    }

    #[test]
    fn a_named_port_that_is_taken_is_a_problem_and_the_default_is_not() {
        let args = |listen: Option<SocketAddr>| UpArgs {
            listen,
            gateway_listen: None,
            allow_remote: false,
            overcommit: false,
            lease: None,
        };
        let any: SocketAddr = "127.0.0.1:0".parse().expect("it is an address");
        let taken = bind(&args(Some(any)), Output::new(Format::Json)).expect("a port is free");
        let address = taken.local_addr().expect("it listens");
        assert_eq!(code(&args(Some(address))), Some(ErrorCode::PortInUse));
        let remote: SocketAddr = "0.0.0.0:0".parse().expect("it is an address");
        assert_eq!(code(&args(Some(remote))), Some(ErrorCode::InvalidRequest));
        assert_eq!(code(&UpArgs { allow_remote: true, ..args(Some(remote)) }), None);
        let first = bind(&args(None), Output::new(Format::Json));
        let second = bind(&args(None), Output::new(Format::Json));
        assert!(first.is_ok() && second.is_ok(), "the second one falls back");
    }
}
