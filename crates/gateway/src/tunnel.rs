//! An open `WebSocket`: bytes both ways, and a client with a limited key slowed down to its rate.
//!
//! Where the key has no limit nothing is looked at. Where it has one, the client's frames are told apart as
//! they pass ([RFC 6455]); every message counts as a request of the same content would. What has come is
//! passed on, and then nothing more is read until the rate allows it: a client that sends faster than it
//! may waits, and loses nothing.
//!
//! [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2

use std::{
    future::Future as _,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional},
    time::Sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{calls::Calls, key::Pass, limit::Meter};

/// The bit of a frame's first byte that says that the message ends with it.
const FINAL: u8 = 0x80;
/// The bit of its second byte that says that a mask follows.
const MASKED: u8 = 0x80;
/// From this opcode on, a frame is not of a message.
const CONTROL: u8 = 8;

/// Copies both ways until one side ends, the key is cut or the gateway ends.
pub(crate) async fn run(
    (of_client, of_node): (OnUpgrade, OnUpgrade),
    pass: Pass,
    started: Instant,
    stop: CancellationToken,
) {
    let copying = async {
        let (Ok(client), Ok(node)) = tokio::join!(of_client, of_node) else { return };
        let (mut client, mut node) = (TokioIo::new(client), TokioIo::new(node));
        // However it ends, both sides are closed by being dropped.
        drop(match &pass.key.meter {
            Some(meter) => {
                let mut client = Metered::new(client, Arc::clone(meter), started);
                copy_bidirectional(&mut client, &mut node).await
            }
            None => copy_bidirectional(&mut client, &mut node).await,
        });
    };
    // Cancel safe: whatever is cancelled is dropped and both sides with it.
    tokio::select! {
        () = copying => {}
        () = pass.cut.cancelled() => {}
        () = stop.cancelled() => {}
    }
}

/// A client's end, read no faster than its key allows.
struct Metered<S> {
    client: S,
    frames: Frames,
    meter: Arc<Meter>,
    started: Instant,
    /// Until when nothing is read.
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Metered<S> {
    fn new(client: S, meter: Arc<Meter>, started: Instant) -> Self {
        Self { client, frames: Frames::default(), meter, started, pause: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.client).poll_read(context, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        let calls = self.frames.pass(read);
        if calls > 0 {
            let wait = self.meter.charge(calls, self.started.elapsed());
            self.pause = (!wait.is_zero()).then(|| Box::pin(tokio::time::sleep(wait)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.client).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.client).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.client).poll_shutdown(context)
    }
}

/// Tells the frames of a stream apart, and counts the calls in its messages.
#[derive(Debug, Default)]
struct Frames {
    at: At,
    /// The first byte of the frame.
    first: u8,
    length: u64,
    mask: Option<[u8; 4]>,
    /// The message that is under way.
    message: Calls,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug, Default)]
enum At {
    #[default]
    First,
    Second,
    /// So many bytes of the length are left.
    Length(u8),
    /// The mask's byte of this index.
    Mask(usize),
    /// The payload's byte of this index.
    Payload(u64),
}

impl Frames {
    /// Looks at the bytes that pass. How many calls have ended with them.
    fn pass(&mut self, bytes: &[u8]) -> u32 {
        let mut calls = 0u32;
        for byte in bytes {
            calls = calls.saturating_add(self.next(*byte));
        }
        calls
    }

    fn next(&mut self, byte: u8) -> u32 {
        match self.at {
            At::First => {
                self.first = byte;
                self.at = At::Second;
                0
            }
            At::Second => {
                self.mask = (byte & MASKED != 0).then_some([0; 4]);
                self.length = u64::from(byte & !MASKED);
                match self.length {
                    126 => self.expect_length(2),
                    127 => self.expect_length(8),
                    _ => self.after_length(),
                }
            }
            At::Length(left) => {
                self.length = (self.length << 8) | u64::from(byte);
                match left {
                    0 | 1 => self.after_length(),
                    left => {
                        self.at = At::Length(left - 1);
                        0
                    }
                }
            }
            At::Mask(index) => {
                if let Some(mask) = &mut self.mask {
                    mask[index] = byte;
                }
                if index < 3 {
                    self.at = At::Mask(index + 1);
                    0
                } else {
                    self.begin_payload()
                }
            }
            At::Payload(index) => {
                if self.opcode() < CONTROL {
                    let place = usize::try_from(index % 4).expect("less than four");
                    self.message.next(byte ^ self.mask.map_or(0, |mask| mask[place]));
                }
                if index + 1 < self.length {
                    self.at = At::Payload(index + 1);
                    0
                } else {
                    self.end()
                }
            }
        }
    }

    fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    fn expect_length(&mut self, bytes: u8) -> u32 {
        self.length = 0;
        self.at = At::Length(bytes);
        0
    }

    fn after_length(&mut self) -> u32 {
        if self.mask.is_some() {
            self.at = At::Mask(0);
            return 0;
        }
        self.begin_payload()
    }

    fn begin_payload(&mut self) -> u32 {
        if self.length == 0 {
            return self.end();
        }
        self.at = At::Payload(0);
        0
    }

    /// The frame is over. The calls of the message, if it is over too.
    fn end(&mut self) -> u32 {
        self.at = At::First;
        if self.first & FINAL == 0 || self.opcode() >= CONTROL {
            return 0;
        }
        std::mem::take(&mut self.message).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a client sends it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..126 => bytes.push(MASKED | u8::try_from(length).unwrap()),
            length @ 126..65_536 => {
                bytes.push(MASKED | 0x7e);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                bytes.push(MASKED | 0x7f);
                bytes.extend(u64::try_from(length).unwrap().to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    #[test]
    fn messages_are_counted_whatever_their_frames_are() {
        let batch = br#"[{"method":"a"},{"method":"b"},{"method":"c"}]"#;
        let long = [b"[1".as_slice(), &b",1".repeat(99), &b" ".repeat(70_000), b"]"].concat();
        let (one, two) = batch.split_at(20);
        for (expect, frames) in [
            (1, vec![frame(0x81, br#"{"method":"a"}"#)]),
            (3, vec![frame(0x81, batch)]),
            (3, vec![frame(0x01, one), frame(0x89, b"[1,2,3]"), frame(0x80, two)]),
            (2, vec![frame(0x81, b"{}"), frame(0x82, b"{}")]),
            (100, vec![frame(0x81, &long)]),
            (4, vec![frame(0x81, &b" ".repeat(300)), frame(0x81, batch)]),
            (1, vec![frame(0x81, b"")]),
            (0, vec![frame(0x89, b""), frame(0x8a, b"pong"), frame(0x88, b"")]),
        ] {
            let bytes = frames.concat();
            assert_eq!(Frames::default().pass(&bytes), expect);
            // The same, cut anywhere.
            let mut cut = Frames::default();
            let pieces = bytes.chunks(7).map(|piece| cut.pass(piece)).sum::<u32>();
            assert_eq!(pieces, expect, "in pieces");
        }
    }
}
