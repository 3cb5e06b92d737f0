//! What the platform answers as it comes: logs, events, a whole state.

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use reqwest::Method;

use super::{Client, encode, lost};
use crate::environment::Outcome;

/// The longest line that is put together; what is longer is told in pieces.
const LINE_MAX: usize = 1 << 20;

impl Client {
    /// The lines of a node's log, as they come.
    pub(crate) async fn logs(
        &self,
        network: &str,
        node: &str,
        query: &str,
    ) -> Outcome<impl Stream<Item = Outcome<Bytes>> + use<>> {
        let path = self.of_network(network, &format!("/nodes/{}/logs?{query}", encode(node)));
        let response = self.answer(self.request(Method::GET, &path)).await?;
        let url = self.platform.url.clone();
        Ok(response.bytes_stream().map(move |chunk| chunk.map_err(|error| lost(&url, &error))))
    }

    /// The event stream, as it comes.
    pub(crate) async fn events(
        &self,
        query: &str,
        after: Option<u64>,
    ) -> Outcome<impl Stream<Item = Outcome<Bytes>> + use<>> {
        let mut request = self.request(Method::GET, &self.within(&format!("events?{query}")));
        if let Some(after) = after {
            request = request.header("last-event-id", after.to_string());
        }
        let response = self.answer(request).await?;
        let url = self.platform.url.clone();
        Ok(response.bytes_stream().map(move |chunk| chunk.map_err(|error| lost(&url, &error))))
    }

    /// The whole state of a network, as it comes.
    pub(crate) async fn export(
        &self,
        network: &str,
    ) -> Outcome<impl Stream<Item = Outcome<Bytes>> + use<>> {
        let path = self.of_network(network, "/export");
        let response = self.answer(self.request(Method::GET, &path)).await?;
        let url = self.platform.url.clone();
        Ok(response.bytes_stream().map(move |chunk| chunk.map_err(|error| lost(&url, &error))))
    }
}

/// Cuts chunks into lines.
pub(crate) fn lines(
    chunks: impl Stream<Item = Outcome<Bytes>>,
) -> impl Stream<Item = Outcome<String>> {
    let begun = (Box::pin(chunks), Vec::<u8>::new(), Vec::<String>::new().into_iter());
    stream::unfold(begun, |(mut chunks, mut held, mut ready)| async move {
        loop {
            if let Some(line) = ready.next() {
                return Some((Ok(line), (chunks, held, ready)));
            }
            match chunks.next().await {
                Some(Ok(chunk)) => {
                    held.extend_from_slice(&chunk);
                    ready = whole_lines(&mut held).into_iter();
                }
                Some(Err(error)) => return Some((Err(error), (chunks, Vec::new(), ready))),
                None if held.is_empty() => return None,
                None => {
                    let last = String::from_utf8_lossy(&std::mem::take(&mut held)).into_owned();
                    return Some((Ok(last), (chunks, held, ready)));
                }
            }
        }
    })
}

fn whole_lines(held: &mut Vec<u8>) -> Vec<String> {
    let end = match held.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        None if held.len() > LINE_MAX => held.len(),
        None => return Vec::new(),
    };
    let rest = held.split_off(end);
    let whole = std::mem::replace(held, rest);
    let text = String::from_utf8_lossy(&whole);
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_become_lines() {
        let chunks = ["a\nb", "c\n", "\nlast"].map(|text| Ok(Bytes::from_static(text.as_bytes())));
        let lines: Vec<_> =
            lines(stream::iter(chunks)).map(|line| line.expect("no chunk fails")).collect().await;
        assert_eq!(lines, ["a", "bc", "", "last"]);
    }
}
