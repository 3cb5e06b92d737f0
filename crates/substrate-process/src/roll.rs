//! The names of what stands in the root, read once for all who ask at the same time.
//!
//! Thousands of workloads are thousands of names, and a platform that starts lists them once for each of its
//! networks. Whoever asks gets a reading that began after it asked, be it somebody else's: nothing that was
//! there by then is missing, and nothing is believed that was read before.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use windlass_substrate::SubstrateError;

/// The last reading, and the order in which readings and questions came.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    order: AtomicU64,
    last: Mutex<Reading>,
}

#[derive(Debug, Default)]
struct Reading {
    /// Its place in the order.
    began: u64,
    names: Arc<[String]>,
}

impl Roll {
    /// The names, sorted. Those that are no text are left out; a root that is not there has none.
    pub(crate) fn names(&self, root: &Path) -> Result<Arc<[String]>, SubstrateError> {
        let asked = self.order.fetch_add(1, Ordering::SeqCst);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.began <= asked {
            let began = self.order.fetch_add(1, Ordering::SeqCst);
            let names = read(root).map_err(|source| SubstrateError::io("read", root, source))?;
            *last = Reading { began, names };
        }
        Ok(Arc::clone(&last.names))
    }
}

fn read(root: &Path) -> io::Result<Arc<[String]>> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Arc::default()),
        entries => entries?,
    };
    let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let mut names: Vec<String> =
        names?.into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    Ok(names.into())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn whoever_asks_sees_what_was_there_when_it_asked() {
        let root = tempfile::tempdir().expect("a directory");
        let roll = Roll::default();
        assert!(roll.names(&root.path().join("absent")).expect("none").is_empty());
        for number in 0..50 {
            let name = format!("{number:02}");
            fs::create_dir(root.path().join(&name)).expect("made");
            let names = roll.names(root.path()).expect("readable");
            assert_eq!(names.last(), Some(&name), "not the reading of before");
        }
    }

    #[test]
    fn those_who_wait_share_one_reading() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("a")).expect("made");
        let roll = Roll::default();
        let held = roll.last.lock().expect("nobody panicked");
        thread::scope(|scope| {
            let waiting: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| roll.names(root.path()).expect("readable")))
                .collect();
            while roll.order.load(Ordering::SeqCst) < 8 {
                thread::yield_now();
            }
            drop(held);
            for one in waiting {
                assert_eq!(*one.join().expect("no panic"), ["a".to_owned()]);
            }
        });
        assert_eq!(roll.order.load(Ordering::SeqCst), 9, "eight questions and one reading");
    }
}
