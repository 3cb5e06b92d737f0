//! What one node tells another of its tip.
#![no_main]

use bytes::Bytes;
use commonware_codec::{DecodeExt as _, Encode as _};
use windlass_node::consensus::announcement::Announcement;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(announcement) = Announcement::decode(Bytes::copy_from_slice(bytes)) {
        assert_eq!(announcement.encode(), bytes);
    }
});
