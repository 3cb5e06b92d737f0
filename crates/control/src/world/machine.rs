//! The real clock, randomness and ports: the only place of this crate that asks the machine.

use std::net::{Ipv4Addr, TcpListener};

use crate::world::{Clock, Entropy, PortOffer};

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineClock;

impl Clock for MachineClock {
    fn now_ms(&self) -> u64 {
        windlass_substrate::clock::now_ms()
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineEntropy;

impl Entropy for MachineEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("an operating system without randomness can run nothing");
    }
}

/// Ports that the operating system gives: bound all at once, so that they differ, and let go.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoopbackPorts;

impl PortOffer for LoopbackPorts {
    fn offer(&self, count: usize) -> Vec<u16> {
        let listeners: Vec<TcpListener> =
            (0..count).map_while(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()).collect();
        listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .map(|address| address.port())
            .collect()
    }
}
