//! Defects that are planted in the world, to show that the model test finds them.
//!
//! Those of the store are triggers of its database: what a store that forgets would do, with no switch
//! in the product for it.

use std::path::Path;

use crate::fake::FakeWorld;

#[path = "../../../src/store/planted.rs"]
mod database;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// The ports of a network that stops are forgotten, and given to others.
    ForgetPorts,
    /// The rows of a network go as soon as its destruction is intended.
    RowFirst,
    /// What a request with a key was answered is forgotten: it acts again when it comes again.
    ForgetRequests,
    /// A process that is started does not look whether another one holds its identity.
    NoLock,
}

impl Planted {
    pub(super) fn plant(self, world: &FakeWorld, database: &Path) {
        match self {
            Self::ForgetPorts => database::plant(database, database::FORGET_PORTS),
            Self::RowFirst => database::plant(database, database::ROW_FIRST),
            Self::ForgetRequests => database::plant(database, database::FORGET_REQUESTS),
            Self::NoLock => world.substrate.forget_locks(),
        }
    }
}
