//! The frames of a `WebSocket`, told apart as their bytes pass ([RFC 6455]).
//!
//! [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2

/// The bit of a frame's first byte that says that the message ends with it.
const FINAL: u8 = 0x80;
/// The bit of its second byte that says that a mask follows.
const MASKED: u8 = 0x80;
/// From this opcode on, a frame is not of a message.
const CONTROL: u8 = 8;
/// The opcode of text.
const TEXT: u8 = 1;

/// Where in a stream of frames the next byte is.
#[derive(Debug, Default)]
pub(super) struct Frames {
    at: At,
    /// The first byte of the frame.
    first: u8,
    length: u64,
    mask: Option<[u8; 4]>,
    message: Message,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// Whether a message has begun whose last frame has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Message {
    #[default]
    None,
    UnderWay,
}

/// Some bytes of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) of: Of,
    /// Where they are payload: their mask, turned to the first of them.
    pub(super) payload: Option<[u8; 4]>,
}

/// What a piece is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A ping, a pong or a close.
    Control,
    /// A message that begins with this.
    Beginning,
    /// A message that has begun, and goes on.
    Message,
    /// The last of a message. It is not its beginning too, which is one byte.
    End,
}

impl Piece<'_> {
    /// What it has of the payload, without the mask.
    pub(super) fn content(&self) -> impl Iterator<Item = u8> {
        let (mask, payload) = match self.payload {
            Some(mask) => (mask, self.bytes),
            None => ([0; 4], [].as_slice()),
        };
        payload.iter().zip(0..).map(move |(byte, index): (_, usize)| byte ^ mask[index % 4])
    }
}

impl Frames {
    /// The first piece of some bytes, and what is after it; none of nothing.
    pub(super) fn next<'a>(&mut self, bytes: &'a [u8]) -> Option<(Piece<'a>, &'a [u8])> {
        let (first, _) = bytes.split_first()?;
        let begins = self.at == At::First && self.message == Message::None;
        let (taken, payload, ended) = match self.at {
            At::Payload(index) => self.pass_payload(index, bytes.len()),
            At::First | At::Second | At::Length(_) | At::Mask(_) => {
                let ended = self.pass_head(*first);
                (1, None, ended)
            }
        };
        let of = match (self.is_control(), ended, begins) {
            (true, ..) => Of::Control,
            (false, true, _) if self.first & FINAL != 0 => Of::End,
            (false, _, true) => Of::Beginning,
            (false, _, false) => Of::Message,
        };
        match of {
            Of::Control => {}
            Of::Beginning | Of::Message => self.message = Message::UnderWay,
            Of::End => self.message = Message::None,
        }
        let (bytes, rest) = bytes.split_at(taken);
        Some((Piece { bytes, of, payload }, rest))
    }

    /// Whether a message may be put in before the next byte.
    pub(super) fn is_between_messages(&self) -> bool {
        self.at == At::First && self.message == Message::None
    }

    /// Passes as much payload as there is: how much that is, its mask, and whether the frame ends with it.
    fn pass_payload(&mut self, index: u64, there: usize) -> (usize, Option<[u8; 4]>, bool) {
        let left = self.length - index;
        let taken = usize::try_from(left).map_or(there, |left| left.min(there));
        let mut mask = self.mask.unwrap_or_default();
        mask.rotate_left(usize::try_from(index % 4).expect("less than four"));
        let next = index + u64::try_from(taken).expect("a buffer's length fits");
        let ended = next == self.length;
        self.at = if ended { At::First } else { At::Payload(next) };
        (taken, Some(mask), ended)
    }

    /// Passes a byte before the payload. Whether the frame ends with it.
    fn pass_head(&mut self, byte: u8) -> bool {
        match self.at {
            At::First => {
                self.first = byte;
                self.at = At::Second;
            }
            At::Second => {
                self.mask = (byte & MASKED != 0).then_some([0; 4]);
                self.length = u64::from(byte & !MASKED);
                match self.length {
                    126 => self.expect_length(2),
                    127 => self.expect_length(8),
                    _ => return self.after_length(),
                }
            }
            At::Length(left) => {
                self.length = (self.length << 8) | u64::from(byte);
                if left <= 1 {
                    return self.after_length();
                }
                self.at = At::Length(left - 1);
            }
            At::Mask(index) => {
                if let Some(place) = self.mask.as_mut().and_then(|mask| mask.get_mut(index)) {
                    *place = byte;
                }
                if index >= 3 {
                    return self.begin_payload();
                }
                self.at = At::Mask(index + 1);
            }
            At::Payload(_) => {}
        }
        false
    }

    fn is_control(&self) -> bool {
        self.first & 0x0f >= CONTROL
    }

    fn expect_length(&mut self, bytes: u8) {
        self.length = 0;
        self.at = At::Length(bytes);
    }

    fn after_length(&mut self) -> bool {
        if self.mask.is_none() {
            return self.begin_payload();
        }
        self.at = At::Mask(0);
        false
    }

    fn begin_payload(&mut self) -> bool {
        self.at = if self.length == 0 { At::First } else { At::Payload(0) };
        self.length == 0
    }
}

/// What the frames of a whole message have for a payload.
pub(super) fn content(message: &[u8]) -> Vec<u8> {
    let (mut frames, mut rest) = (Frames::default(), message);
    let mut content = Vec::with_capacity(message.len());
    while let Some((piece, after)) = frames.next(rest) {
        rest = after;
        content.extend(piece.content());
    }
    content
}

/// A text message in one frame, as a server sends it.
pub(super) fn text(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![FINAL | TEXT];
    match payload.len() {
        length @ 0..126 => frame.push(u8::try_from(length).expect("less than 126")),
        length => {
            let long = u64::try_from(length).expect("a buffer's length fits");
            if let Ok(short) = u16::try_from(length) {
                frame.push(126);
                frame.extend(short.to_be_bytes());
            } else {
                frame.push(127);
                frame.extend(long.to_be_bytes());
            }
        }
    }
    frame.extend(payload);
    frame
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

    /// The messages in a stream that comes in pieces of so many bytes, and how often something may be put
    /// in at a piece's end.
    fn read(stream: &[u8], size: usize) -> (Vec<String>, usize) {
        let (mut frames, mut messages, mut gaps) = (Frames::default(), Vec::new(), 0);
        let mut message = Vec::new();
        for chunk in stream.chunks(size) {
            let mut rest = chunk;
            while let Some((piece, after)) = frames.next(rest) {
                rest = after;
                if piece.of == Of::Beginning {
                    assert!(message.is_empty());
                }
                if piece.of != Of::Control {
                    message.extend(piece.content());
                }
                if piece.of == Of::End {
                    messages.push(String::from_utf8(std::mem::take(&mut message)).unwrap());
                }
            }
            gaps += usize::from(frames.is_between_messages());
        }
        (messages, gaps)
    }

    #[test]
    fn messages_are_read_whatever_their_frames_are_and_however_they_come() {
        let long = "x".repeat(70_000);
        for (expect, stream) in [
            (vec!["hello"], vec![frame(0x81, b"hello")]),
            (vec!["hello"], vec![frame(0x01, b"he"), frame(0x89, b"ping"), frame(0x80, b"llo")]),
            (vec!["one", "two"], vec![frame(0x81, b"one"), frame(0x82, b"two")]),
            (vec![long.as_str(), "x"], vec![frame(0x81, long.as_bytes()), frame(0x81, b"x")]),
            (vec!["", "x"], vec![frame(0x81, b""), frame(0x81, b"x")]),
            (vec![""], vec![frame(0x01, b""), frame(0x80, b"")]),
            (vec![], vec![frame(0x89, b""), frame(0x8a, b"pong"), frame(0x88, b"")]),
            (vec!["hello", &long], vec![text(b"hello"), text(long.as_bytes())]),
            (vec![&long[..300]], vec![text(&long.as_bytes()[..300])]),
        ] {
            let bytes = stream.concat();
            for size in [1, 7, bytes.len()] {
                assert_eq!(read(&bytes, size).0, expect, "{size} at once");
            }
        }
    }

    #[test]
    fn nothing_is_put_into_a_message() {
        let open = [frame(0x01, b"he"), frame(0x89, b"")].concat();
        assert_eq!(read(&open, open.len()).1, 0, "its last frame is to come");
        let whole = [open, frame(0x80, b"llo")].concat();
        assert_eq!(read(&whole, 1).1, 1, "at its end alone");
        assert_eq!(read(&frame(0x89, b""), 1).1, 1, "and after a ping");
        assert_eq!(content(&[frame(0x01, b"he"), frame(0x80, b"llo")].concat()), b"hello");
    }
}
