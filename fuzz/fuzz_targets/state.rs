//! What nodes send each other on the channel of the state: a question or an answer, with its number.
#![no_main]

use windlass_node::sync::Message;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(message) = Message::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
});
