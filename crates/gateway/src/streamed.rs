//! A node's answer on its way to the client: the network is in use until the last of it, and it ends
//! early when the key that it was asked with is good no more.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{activity::Use, answer::Failure};

/// The key was revoked in the middle of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the key was revoked")]
struct Revoked;

/// A body that is passed on.
#[derive(Debug)]
pub(crate) struct Streamed {
    body: Incoming,
    _in_use: Option<Use>,
    cut: CancellationToken,
    /// Made when it has to be waited for the node: most answers are there at once.
    waiting: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Streamed {
    pub(crate) fn new(body: Incoming, in_use: Option<Use>, cut: CancellationToken) -> Self {
        Self { body, _in_use: in_use, cut, waiting: None }
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let Self { body, cut, waiting, .. } = &mut *self;
        if cut.is_cancelled() {
            return Poll::Ready(Some(Err(Revoked.into())));
        }
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let waiting = waiting.get_or_insert_with(|| Box::pin(cut.clone().cancelled_owned()));
        waiting.as_mut().poll(context).map(|()| Some(Err(Revoked.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
