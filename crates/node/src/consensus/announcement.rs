//! What nodes tell each other of their tips, in bytes.
//!
//! Message: height (8) ‖ block hash (32) ‖ flags (1; bit 0: an answer is wanted, bit 1: this is one)
//! ‖ time sent (8, Unix microseconds) ‖ in an answer: time that the question bears (8), time when it
//! came (8) ‖ certificate (length, bytes; empty at the genesis).

use bytes::{BufMut, Bytes};
use commonware_codec::{
    Buf, EncodeSize, Error as CodecError, FixedSize, RangeCfg, Read, ReadExt, Write,
};

use super::{digest::Digest, stores::Finalization};
use crate::config::MAX_VALIDATORS;

/// What one node tells another of its tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    pub(super) height: u64,
    pub(super) digest: Digest,
    pub(super) wants_answer: bool,
    /// When it was sent, by the sender's clock.
    pub(super) sent_us: u64,
    /// What it answers, if it is an answer.
    pub(super) question: Option<Question>,
    pub(super) certificate: Bytes,
}

/// A question that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// When it was sent, by the asker's clock.
    pub(super) asked_us: u64,
    /// When it came, by the answerer's clock.
    pub(super) received_us: u64,
}

/// The bits of an announcement's flags.
const WANTS_ANSWER: u8 = 1;
const IS_ANSWER: u8 = 2;

/// The largest certificate that is decoded.
fn certificate_limit() -> usize {
    let validators = u32::try_from(MAX_VALIDATORS).expect("a small number");
    Finalization::max_encode_size(validators)
}

impl Write for Announcement {
    fn write(&self, buf: &mut impl BufMut) {
        self.height.write(buf);
        self.digest.write(buf);
        let answers = if self.question.is_some() { IS_ANSWER } else { 0 };
        (u8::from(self.wants_answer) | answers).write(buf);
        self.sent_us.write(buf);
        if let Some(question) = &self.question {
            question.asked_us.write(buf);
            question.received_us.write(buf);
        }
        self.certificate.write(buf);
    }
}

impl EncodeSize for Announcement {
    fn encode_size(&self) -> usize {
        let question = if self.question.is_some() { 2 * u64::SIZE } else { 0 };
        let fixed = u64::SIZE + Digest::SIZE + u8::SIZE + u64::SIZE;
        fixed + question + self.certificate.encode_size()
    }
}

impl Read for Announcement {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        let height = u64::read(buf)?;
        let digest = Digest::read(buf)?;
        let flags = u8::read(buf)?;
        if flags & !(WANTS_ANSWER | IS_ANSWER) != 0 {
            return Err(CodecError::Invalid("windlass::Announcement", "unknown flags"));
        }
        let sent_us = u64::read(buf)?;
        let question = if flags & IS_ANSWER == 0 {
            None
        } else {
            let (asked_us, received_us) = (u64::read(buf)?, u64::read(buf)?);
            if received_us > sent_us {
                let reason = "an answer before its question";
                return Err(CodecError::Invalid("windlass::Announcement", reason));
            }
            Some(Question { asked_us, received_us })
        };
        let certificate = Bytes::read_cfg(buf, &RangeCfg::from(..=certificate_limit()))?;
        let wants_answer = flags & WANTS_ANSWER != 0;
        Ok(Self { height, digest, wants_answer, sent_us, question, certificate })
    }
}

/// The largest announcement.
pub(super) fn max_announcement_size() -> usize {
    u64::SIZE + Digest::SIZE + u8::SIZE + 3 * u64::SIZE + 5 + certificate_limit()
}

#[cfg(test)]
mod tests {
    use commonware_codec::{Copying, DecodeExt, Encode};

    use super::*;

    fn announcement(question: Option<Question>) -> Announcement {
        Announcement {
            height: 7,
            digest: Digest([3; 32]),
            wants_answer: question.is_none(),
            sent_us: 1_000,
            question,
            certificate: Bytes::from_static(b"certificate"),
        }
    }

    fn answer() -> Announcement {
        announcement(Some(Question { asked_us: 5_000, received_us: 990 }))
    }

    fn check_refused(change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = answer().encode().to_vec();
        change(&mut bytes);
        assert!(Announcement::decode(Copying(&bytes)).is_err(), "{bytes:?}");
    }

    #[test]
    fn questions_and_answers_survive_their_bytes() {
        for sent in [announcement(None), answer()] {
            let bytes = sent.encode();
            assert_eq!(bytes.len(), sent.encode_size());
            assert!(bytes.len() <= max_announcement_size());
            assert_eq!(Announcement::decode(bytes).expect("it is sound"), sent);
        }
    }

    #[test]
    fn an_announcement_cut_anywhere_is_refused() {
        let whole = answer().encode().to_vec();
        for length in 0..whole.len() {
            check_refused(|bytes| bytes.truncate(length));
        }
    }

    #[test]
    fn what_follows_an_announcement_is_refused() {
        check_refused(|bytes| bytes.push(0));
    }

    #[test]
    fn flags_that_mean_nothing_are_refused() {
        for flags in [4, 7, 8, 0x82, 0xff] {
            check_refused(|bytes| bytes[40] = flags);
        }
    }

    #[test]
    fn flags_that_contradict_what_follows_are_refused() {
        // The stamps of the question are read as a certificate's length and bytes.
        check_refused(|bytes| bytes[40] = WANTS_ANSWER);
    }

    #[test]
    fn an_answer_sent_before_its_question_came_is_refused() {
        // The time when it came: behind height, hash, flags, time sent and time asked.
        check_refused(|bytes| bytes[57..65].copy_from_slice(&1_001_u64.to_be_bytes()));
    }

    #[test]
    fn a_certificate_larger_than_any_is_refused() {
        let certificate = Bytes::from(vec![0; certificate_limit() + 1]);
        let bytes = Announcement { certificate, ..answer() }.encode();
        assert!(Announcement::decode(bytes).is_err());
    }
}
