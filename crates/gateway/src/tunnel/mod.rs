//! An open `WebSocket`: bytes both ways, and messages held to the rates of the key and the organization.
//!
//! Every message counts as a request of the same content would. Where something limits it, it is held
//! until it is whole, and then passed on as it came. One that comes too early waits for a moment; if that
//! is not enough it is answered with an error, as over HTTP, and the socket stays open. Where nothing limits
//! the messages they are passed on as they come. Which limits hold is looked up for each message, so that a
//! changed one concerns sockets that are open.

mod frames;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;
use windlass_model::NetworkId;

use self::frames::{Frames, Of, Piece};
use crate::{
    answer,
    calls::Calls,
    key::Pass,
    limit::TooEarly,
    proxy::BODY_BYTES,
    rate::{Rates, Refusal},
    table::{Network, Table, count},
};

/// How much is read at once.
const CHUNK: usize = 8 * 1024;

/// How long a message that comes early waits, before it is refused.
const PATIENCE: Duration = Duration::from_secs(1);

/// And between two looks at the rates at least.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// As many bytes of a message are held, its frames' heads among them.
const LARGEST: usize = BODY_BYTES + 64;

/// How many answers of the gateway's own wait for their turn; then nothing more is read of the client.
const ANSWERS: usize = 16;

/// Copies both ways until both sides have ended, the key is cut or the gateway ends.
pub(crate) async fn run(
    (of_client, of_node): (OnUpgrade, OnUpgrade),
    gate: Gate,
    stop: CancellationToken,
) {
    let cut = gate.pass.cut.clone();
    let copying = async {
        let (Ok(client), Ok(node)) = tokio::join!(of_client, of_node) else { return };
        let (from_client, to_client) = split(TokioIo::new(client));
        let (from_node, to_node) = split(TokioIo::new(node));
        let (answers, answered) = mpsc::channel(ANSWERS);
        let there = gate.pass_on((from_client, to_node), answers);
        // However it ends, both sides are closed by being dropped.
        drop(tokio::try_join!(there, pass_back((from_node, to_client), answered)));
    };
    // Cancel safe: whatever is cancelled is dropped and both sides with it.
    tokio::select! {
        () = copying => {}
        () = cut.cancelled() => {}
        () = stop.cancelled() => {}
    }
}

/// Copies what the node sends, and the gateway's own answers between its messages.
async fn pass_back(
    (mut node, mut client): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    mut answers: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let (mut frames, mut buffer) = (Frames::default(), vec![0; CHUNK]);
    loop {
        // Cancel safe: neither branch has taken anything when the other one is taken.
        tokio::select! {
            read = node.read(&mut buffer) => {
                let bytes = buffer.get(..read?).unwrap_or_default();
                if bytes.is_empty() {
                    return client.shutdown().await;
                }
                let mut rest = bytes;
                while let Some((_, after)) = frames.next(rest) {
                    rest = after;
                }
                client.write_all(bytes).await?;
            }
            Some(answer) = answers.recv(), if frames.is_between_messages() => {
                client.write_all(&answer).await?;
            }
        }
        client.flush().await?;
    }
}

/// What a client's messages have to pass.
#[derive(Debug)]
pub(crate) struct Gate {
    pass: Pass,
    network: NetworkId,
    tables: watch::Receiver<Arc<Table>>,
    started: Instant,
    message: Message,
}

/// The message that is under way.
#[derive(Debug, Default)]
enum Message {
    /// It is passed on as it comes: nothing limits it.
    #[default]
    Passes,
    /// It is looked at when it is whole.
    Held { frames: Vec<u8>, calls: Calls },
    /// It was refused for its size; the rest is of no use.
    Refused,
}

impl Gate {
    /// For a socket that was opened with a key, of a network in these tables.
    pub(crate) fn new(
        pass: Pass,
        (network, tables): (NetworkId, watch::Receiver<Arc<Table>>),
        started: Instant,
    ) -> Self {
        Self { pass, network, tables, started, message: Message::default() }
    }

    /// Copies what the client sends, as far as the rates allow it.
    async fn pass_on(
        mut self,
        (mut client, mut node): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
        answers: mpsc::Sender<Vec<u8>>,
    ) -> io::Result<()> {
        let (mut frames, mut buffer) = (Frames::default(), vec![0; CHUNK]);
        loop {
            let read = client.read(&mut buffer).await?;
            if read == 0 {
                return node.shutdown().await;
            }
            let mut rest = buffer.get(..read).unwrap_or_default();
            let mut passes = Vec::with_capacity(read);
            while let Some((piece, after)) = frames.next(rest) {
                rest = after;
                let refused = match self.take(piece, &mut passes) {
                    Taken::Goes => continue,
                    Taken::TooLarge => answer::over_websocket(&answer::too_large(BODY_BYTES), &[]),
                    Taken::Whole(message, calls) => {
                        // What came before is not held up by it.
                        node.write_all(&std::mem::take(&mut passes)).await?;
                        node.flush().await?;
                        match self.allowed(calls).await {
                            Ok(()) => {
                                passes = message;
                                continue;
                            }
                            Err(refusal) => {
                                let problem = answer::beyond_rate(&refusal);
                                answer::over_websocket(&problem, &frames::content(&message))
                            }
                        }
                    }
                };
                // The other direction has ended if nobody takes it, and this one soon does.
                drop(answers.send(frames::text(&refused)).await);
            }
            node.write_all(&passes).await?;
            node.flush().await?;
        }
    }

    /// Takes the next piece of what the client sends: to those that pass, or to the message that is held.
    fn take(&mut self, piece: Piece<'_>, passes: &mut Vec<u8>) -> Taken {
        if piece.of == Of::Control {
            passes.extend(piece.bytes);
            return Taken::Goes;
        }
        if piece.of == Of::Beginning {
            self.message = if self.is_limited() {
                Message::Held { frames: Vec::new(), calls: Calls::default() }
            } else {
                Message::Passes
            };
        }
        match &mut self.message {
            Message::Passes => passes.extend(piece.bytes),
            Message::Refused => {}
            Message::Held { frames, calls } => {
                frames.extend(piece.bytes);
                for byte in piece.content() {
                    calls.next(byte);
                }
                if frames.len() > LARGEST {
                    self.message = Message::Refused;
                    return Taken::TooLarge;
                }
                if piece.of == Of::End {
                    return Taken::Whole(std::mem::take(frames), calls.count());
                }
            }
        }
        Taken::Goes
    }

    /// Takes a message's calls as soon as the rates allow it, if that is within a moment.
    async fn allowed(&self, calls: u32) -> Result<(), Refusal> {
        let mut waited = Duration::ZERO;
        loop {
            let network = self.network();
            let of_all = network.as_ref().and_then(|network| network.of_all.as_deref());
            let Some(rates) = Rates::of(&self.pass.key, of_all) else { return Ok(()) };
            let Err(refusal) = rates.take(calls, self.started.elapsed()) else { return Ok(()) };
            match refusal.early {
                TooEarly::For(wait) if waited + wait <= PATIENCE => {
                    // Others may be there first, again and again.
                    let wait = wait.max(SHORTEST_WAIT);
                    tokio::time::sleep(wait).await;
                    waited += wait;
                }
                TooEarly::For(_) | TooEarly::AtOnce => {
                    if let Some(network) = network {
                        count(&network.counters.limited);
                    }
                    return Err(refusal);
                }
            }
        }
    }

    fn is_limited(&self) -> bool {
        let network = self.network();
        let of_all = network.as_ref().and_then(|network| network.of_all.as_deref());
        Rates::of(&self.pass.key, of_all).is_some()
    }

    /// The network as it is in force now.
    fn network(&self) -> Option<Arc<Network>> {
        self.tables.borrow().network(&self.network)
    }
}

/// What has come of a piece.
enum Taken {
    /// It went where it belongs.
    Goes,
    /// A message that was held is whole, and has so many calls.
    Whole(Vec<u8>, u32),
    /// A message that was held is larger than any may be.
    TooLarge,
}
