//! Reads an export line by line: one line is in memory at a time.

use std::io::{BufRead, Read as _};

use alloy_primitives::{B256, U256};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use windlass_proof::{MAX_DOCUMENT_BYTES, MAX_FILE_BYTES};

use super::line::{AccountLine, EXPORT_FORMAT, EXPORT_VERSION, End, Head, Line, SlotLine};
use super::{ExportError, write};

/// The most bytes of the head: it has the genesis document and a proof.
#[expect(clippy::as_conversions, reason = "a conversion of a constant that is known to fit")]
const MAX_HEAD_BYTES: u64 = (MAX_DOCUMENT_BYTES + MAX_FILE_BYTES + 1_024) as u64;
/// The most bytes of another line: room for the code of the largest contract.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// What lines hold, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An account. The slots that follow are its own.
    Account(AccountLine),
    /// Slots of the account before: number and value, which is not zero.
    Slots(Vec<(U256, U256)>),
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The first line.
    pub head: Head,
    /// The last line.
    pub end: End,
    /// SHA-256 of the whole file.
    pub sha256: B256,
}

/// An export whose head was read.
#[derive(Debug)]
pub struct Reader<R> {
    lines: Lines<R>,
    head: Head,
}

impl<R: BufRead> Reader<R> {
    /// Reads the head and nothing else.
    pub fn open(from: R) -> Result<Self, ExportError> {
        let mut lines = Lines { from, hash: Sha256::new(), number: 0, text: Vec::new() };
        lines.next(MAX_HEAD_BYTES)?;
        let head: Head = lines.parse()?;
        if head.format != EXPORT_FORMAT || head.version != EXPORT_VERSION {
            let reason = format!("it says to be {:?} version {}", head.format, head.version);
            return Err(lines.wrong(reason));
        }
        if head.document.get().len() > MAX_DOCUMENT_BYTES {
            let reason = format!("the genesis document has more than {MAX_DOCUMENT_BYTES} bytes");
            return Err(lines.wrong(reason));
        }
        lines.text = Vec::new();
        Ok(Self { lines, head })
    }

    /// The first line.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Reads the rest and hands out what it holds. Nothing of that is to be relied on before this
    /// returns, nor before its root was compared.
    pub fn read<E: From<ExportError>>(
        self,
        mut take: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<Summary, E> {
        let Self { mut lines, head } = self;
        let (mut accounts, mut slots) = (0u64, 0u64);
        loop {
            let before = lines.sum();
            lines.next(MAX_LINE_BYTES)?;
            match lines.parse::<Line>()? {
                Line::Account(account) => {
                    accounts += 1;
                    take(Entry::Account(account))?;
                }
                Line::Slots(SlotLine { slots: some }) => {
                    lines.check_slots(&some, accounts)?;
                    slots += u64::try_from(some.len()).unwrap_or(u64::MAX);
                    take(Entry::Slots(some))?;
                }
                Line::End(end) => {
                    let found = End { accounts, slots, sha256: before };
                    lines.finish(&end, &found)?;
                    return Ok(Summary { head, end, sha256: lines.sum() });
                }
            }
        }
    }
}

#[derive(Debug)]
struct Lines<R> {
    from: R,
    hash: Sha256,
    number: u64,
    text: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Takes the next line, without its end.
    fn next(&mut self, most: u64) -> Result<(), ExportError> {
        self.text.clear();
        let mut from = (&mut self.from).take(most);
        from.read_until(b'\n', &mut self.text).map_err(ExportError::Read)?;
        if self.text.is_empty() {
            return Err(ExportError::Cut { lines: self.number });
        }
        self.number += 1;
        self.hash.update(&self.text);
        match self.text.pop() {
            Some(b'\n') => Ok(()),
            Some(_) if u64::try_from(self.text.len()).is_ok_and(|length| length + 1 >= most) => {
                Err(self.wrong(format!("it has more than {most} bytes")))
            }
            Some(_) | None => Err(ExportError::Cut { lines: self.number }),
        }
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, ExportError> {
        serde_json::from_slice(&self.text).map_err(|error| self.wrong(error.to_string()))
    }

    fn check_slots(&self, slots: &[(U256, U256)], accounts: u64) -> Result<(), ExportError> {
        if accounts == 0 {
            return Err(self.wrong("slots come before any account".to_owned()));
        }
        if slots.iter().any(|(_, value)| value.is_zero()) {
            return Err(self.wrong("a slot is zero".to_owned()));
        }
        Ok(())
    }

    /// The last line has to say, in just the bytes that are written, what came before it.
    fn finish(&mut self, end: &End, found: &End) -> Result<(), ExportError> {
        let differs =
            |what, found: String, expected: String| Err(ExportError::Sum { what, found, expected });
        if end.sha256 != found.sha256 {
            return differs("SHA-256", found.sha256.to_string(), end.sha256.to_string());
        }
        if (end.accounts, end.slots) != (found.accounts, found.slots) {
            let counts = |end: &End| format!("{} accounts and {} slots", end.accounts, end.slots);
            return differs("what it counts", counts(found), counts(end));
        }
        if self.text != write(end).as_bytes() {
            return Err(self.wrong("the end is not in its one form".to_owned()));
        }
        let mut rest = [0u8; 1];
        match self.from.read(&mut rest).map_err(ExportError::Read)? {
            0 => Ok(()),
            _ => Err(self.wrong("something follows the end".to_owned())),
        }
    }

    fn sum(&self) -> B256 {
        B256::from_slice(&self.hash.clone().finalize())
    }

    fn wrong(&self, reason: String) -> ExportError {
        ExportError::Line { line: self.number, reason }
    }
}
