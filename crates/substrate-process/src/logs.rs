//! Reading a workload's log while its program writes and rotates it.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::Duration,
};

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use windlass_substrate::{LogOptions, SubstrateError, driver::Follow};

use crate::{directory::Directory, start::Glimpse};

/// How often a followed log is looked at.
const BEAT: Duration = Duration::from_millis(100);

/// More rotated files than any program keeps.
const MOST_ROTATED: u32 = 99;

type Lines = Sender<Result<String, SubstrateError>>;

/// The reader has gone.
struct Gone;

/// Sends a log's lines until its end, or while it exists and somebody listens.
pub(crate) fn read(
    directory: &Directory,
    options: LogOptions,
    lines: &Lines,
    stop: &CancellationToken,
) {
    let mut reader = Reader { directory, current: None, partial: Vec::new() };
    let mut sink = Sink { lines, held: options.tail.map(|tail| (tail, VecDeque::new())) };
    let result = reader.history(&mut sink).and_then(|()| sink.release());
    if result.is_err() || options.follow == Follow::No {
        return;
    }
    let glimpse = Glimpse::of(directory);
    while !stop.is_cancelled() && !lines.is_closed() {
        let exists = directory.path().exists();
        if reader.advance(&mut sink).is_err() || !exists || glimpse.wait(None, BEAT).is_err() {
            return;
        }
    }
}

/// Where lines go: straight to the reader, or, until the history is read, into a bounded tail.
struct Sink<'a> {
    lines: &'a Lines,
    held: Option<(usize, VecDeque<String>)>,
}

impl Sink<'_> {
    fn line(&mut self, line: String) -> Result<(), Gone> {
        match &mut self.held {
            None => self.lines.blocking_send(Ok(line)).map_err(|_unsent| Gone),
            Some((tail, held)) => {
                held.push_back(line);
                if held.len() > *tail {
                    held.pop_front();
                }
                Ok(())
            }
        }
    }

    fn release(&mut self) -> Result<(), Gone> {
        let (_, held) = self.held.take().unwrap_or_default();
        held.into_iter().try_for_each(|line| self.line(line))
    }
}

struct Reader<'a> {
    directory: &'a Directory,
    /// The open log and its inode: a rotation shows as another inode under the same name.
    current: Option<(File, u64)>,
    /// The beginning of a line whose end isn't written yet.
    partial: Vec<u8>,
}

impl Reader<'_> {
    /// Everything that is kept, oldest first. A program that never opened its own log has only what
    /// it wrote to its standard output.
    fn history(&mut self, sink: &mut Sink<'_>) -> Result<(), Gone> {
        self.open_current();
        for number in (1..=MOST_ROTATED).rev() {
            let mut path = self.directory.current_log().into_os_string();
            path.push(format!(".{number}"));
            self.whole(&PathBuf::from(path), sink)?;
        }
        if self.current.is_none() {
            self.whole(&self.directory.boot_log(), sink)?;
        }
        self.drain(sink)
    }

    /// What has been written since, through a rotation.
    fn advance(&mut self, sink: &mut Sink<'_>) -> Result<(), Gone> {
        self.drain(sink)?;
        let there = fs::metadata(self.directory.current_log()).ok().map(|file| file.ino());
        let open = self.current.as_ref().map(|(_, inode)| *inode);
        if there.is_some() && there != open {
            // What was written between the last look and the rotation.
            self.drain(sink)?;
            self.open_current();
            self.drain(sink)?;
        }
        Ok(())
    }

    fn open_current(&mut self) {
        let opened = File::open(self.directory.current_log())
            .and_then(|file| file.metadata().map(|metadata| (file, metadata.ino())));
        self.current = opened.ok();
    }

    fn whole(&mut self, path: &PathBuf, sink: &mut Sink<'_>) -> Result<(), Gone> {
        // Rotated away while it was looked for, or never there.
        let Ok(mut file) = File::open(path) else { return Ok(()) };
        let inode = file.metadata().ok().map(|metadata| metadata.ino());
        if self.current.as_ref().is_some_and(|(_, open)| Some(*open) == inode) {
            // Rotated since it was opened: it is read last.
            return Ok(());
        }
        self.feed(&mut file, sink)
    }

    fn drain(&mut self, sink: &mut Sink<'_>) -> Result<(), Gone> {
        let Some((mut file, inode)) = self.current.take() else { return Ok(()) };
        let fed = self.feed(&mut file, sink);
        self.current = Some((file, inode));
        fed
    }

    fn feed(&mut self, file: &mut File, sink: &mut Sink<'_>) -> Result<(), Gone> {
        let mut buffer = [0u8; 16 * 1024];
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let path = self.directory.current_log();
                    let failed = SubstrateError::io("read", path, error);
                    drop(sink.lines.blocking_send(Err(failed)));
                    return Err(Gone);
                }
            };
            for piece in buffer[..read].split_inclusive(|byte| *byte == b'\n') {
                self.partial.extend_from_slice(piece);
                if self.partial.pop_if(|byte| *byte == b'\n').is_some() {
                    let line = String::from_utf8_lossy(&self.partial).into_owned();
                    self.partial.clear();
                    sink.line(line)?;
                }
            }
        }
    }
}
