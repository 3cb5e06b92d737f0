//! A network that is far away: a forwarder of TCP connections that delays, limits and loses.
//!
//! It needs no privilege and no help of the kernel. A byte stream can't lose a byte, so a loss is what
//! TCP makes of it: that piece, and all behind it, come later by a retransmission's time.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// How much is read at once, and how many such pieces may be on their way; where they are limited more
/// would only wait.
const PIECE: usize = 16 << 10;
const PIECES: usize = 4_096;
const LIMITED_PIECES: usize = 16;
/// A node's file, in its directory.
const NODE_FILE: &str = "files/node.toml";
/// When a lost piece comes after all: the least retransmission time of Linux.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// What a link is like, in each direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// How long a byte is on its way.
    pub delay: Duration,
    /// Of a thousand pieces, how many are lost and sent again.
    pub lost: u32,
    /// How many bytes pass in a second, if there is a limit.
    pub bytes_per_second: Option<u32>,
    /// How many come back to who has connected, if there is another limit.
    pub back_bytes_per_second: Option<u32>,
}

impl Link {
    fn back(self) -> Self {
        let bytes_per_second = self.back_bytes_per_second.or(self.bytes_per_second);
        Self { bytes_per_second, ..self }
    }
}

/// A forwarder to one address; it ends when it is dropped.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    /// Ends with it.
    _task: JoinSet<()>,
}

impl Relay {
    /// Forwards what comes to a new address on loopback.
    pub async fn to(target: SocketAddr, link: Link) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut links = JoinSet::new();
            let luck = Arc::new(AtomicU64::new(u64::from(target.port()) | 1));
            loop {
                let accepted = listener.accept().await;
                // Those that have ended are forgotten.
                while links.try_join_next().is_some() {}
                let Ok((here, _)) = accepted else { continue };
                let Ok(there) = TcpStream::connect(target).await else { continue };
                drop((here.set_nodelay(true), there.set_nodelay(true)));
                let ((from_here, to_here), (from_there, to_there)) =
                    (here.into_split(), there.into_split());
                links.spawn(pump(from_here, to_there, link, Arc::clone(&luck)));
                links.spawn(pump(from_there, to_here, link.back(), Arc::clone(&luck)));
            }
        });
        Self { address, _task: task }
    }

    /// Has a node reach each of these peers through a relay.
    ///
    /// # Panics
    /// If the node's file is not there.
    pub async fn before(directory: &Path, peers: &[SocketAddr], link: Link) -> Vec<Self> {
        let file = directory.join(NODE_FILE);
        let mut text = fs::read_to_string(&file).expect("a node has a file");
        let mut relays = Vec::new();
        for peer in peers {
            let relay = Self::to(*peer, link).await;
            text = text.replace(&format!("\"{peer}\""), &format!("\"{}\"", relay.address));
            relays.push(relay);
        }
        fs::write(&file, text).expect("it can be written");
        relays
    }
}

/// Where a node listens for its peers, as the file in its directory says.
///
/// # Panics
/// If there is none.
pub fn p2p_address(directory: &Path) -> SocketAddr {
    let text = fs::read_to_string(directory.join(NODE_FILE)).expect("a node has a file");
    let line = text.lines().find_map(|line| line.strip_prefix("listen = "));
    line.expect("it says where").trim_matches('"').parse().expect("it is an address")
}

/// One direction of one connection, until either end closes it.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, link: Link, luck: Arc<AtomicU64>) {
    let most = link.bytes_per_second.map_or(PIECES, |_| LIMITED_PIECES);
    let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(most);
    let reading = async move {
        let mut free = Instant::now();
        loop {
            let mut piece = vec![0; PIECE];
            let Ok(length) = from.read(&mut piece).await else { return };
            if length == 0 {
                return;
            }
            piece.truncate(length);
            // It waits for those before it, takes its time on the line, and then travels.
            free = free.max(Instant::now()) + on_the_line(length, link);
            if is_lost(link, &luck) {
                free += RETRANSMISSION + link.delay;
            }
            if sender.send((free + link.delay, piece)).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, piece)) = pieces.recv().await {
            sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        drop(to.shutdown().await);
    };
    tokio::join!(reading, writing);
}

fn on_the_line(length: usize, link: Link) -> Duration {
    let Some(rate) = link.bytes_per_second else { return Duration::ZERO };
    let nanos =
        u128::try_from(length).unwrap_or(u128::MAX) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Whether a piece is lost, by numbers that follow each other the same way in each run (splitmix64).
fn is_lost(link: Link, luck: &AtomicU64) -> bool {
    if link.lost == 0 {
        return false;
    }
    let mut mixed = luck.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % 1_000 < u64::from(link.lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends bytes through a relay to an echo and back; how long that took.
    async fn there_and_back(bytes: usize, link: Link) -> Duration {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let relay = Relay::to(echo.local_addr().expect("it is bound"), link).await;
        let mut answering = JoinSet::new();
        answering.spawn(async move {
            let (mut stream, _) = echo.accept().await.expect("somebody comes");
            let (mut from, mut to) = stream.split();
            drop(tokio::io::copy(&mut from, &mut to).await);
        });
        let mut stream = TcpStream::connect(relay.address).await.expect("it listens");
        let begun = Instant::now();
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(bytes).collect();
        let mut back = vec![0; bytes];
        let (mut from, mut to) = stream.split();
        let (written, read) = tokio::join!(to.write_all(&sent), from.read_exact(&mut back));
        written.and(read.map(drop)).expect("it comes back");
        assert_eq!(back, sent, "nothing is changed");
        begun.elapsed()
    }

    #[tokio::test]
    async fn a_relay_delays_limits_and_loses_and_changes_nothing() {
        let delay = Duration::from_millis(20);
        let far = Link { delay, ..Link::default() };
        assert!(there_and_back(100, far).await >= 2 * delay);
        let narrow = Link { bytes_per_second: Some(1 << 20), ..Link::default() };
        assert!(there_and_back(100 << 10, narrow).await >= Duration::from_millis(90));
        let narrow_back = Link { back_bytes_per_second: Some(1 << 20), ..Link::default() };
        assert!(there_and_back(100 << 10, narrow_back).await >= Duration::from_millis(90));
        let lossy = Link { lost: 1_000, ..Link::default() };
        assert!(there_and_back(100, lossy).await >= RETRANSMISSION);
    }
}
