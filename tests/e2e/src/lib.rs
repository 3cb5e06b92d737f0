//! The whole system from outside: a platform in a directory of its own, its command line, its API
//! and the endpoints of its networks.
//!
//! Nothing here knows how Windlass is made. It starts the `windlass` that was built with it, reads what it prints,
//! speaks HTTP to what listens, and looks at `/proc`. Whatever a test does, its processes end with
//! it: [`Platform`]'s drop ends every process that names its directory.

mod account;
mod home;
mod mount;
mod platform;
mod relay;
mod rpc;
mod tool;
pub mod world;

pub use account::{Account, Call};
pub use home::{Home, Run};
pub use mount::Mount;
pub use platform::{Answer, Platform};
pub use relay::{Link, Relay, p2p_address};
pub use rpc::{Endpoint, RpcError, call_node, node_socket};
pub use tool::{Finished, binary, root, run_tool, start_node, start_tool};
