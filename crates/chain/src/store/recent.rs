//! What the log has and redb has not yet: batches that are durable, in memory, above the table.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::{Bound, ControlFlow};

use rpds::RedBlackTreeMapSync;

use super::{Batch, StoreError, Visit};

/// What each key was last: `None` if it was removed. A clone costs nothing and stays as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent(RedBlackTreeMapSync<Vec<u8>, Option<Vec<u8>>>);

/// How an entry of an older table is read: key and value.
pub(super) trait Read<G>: Fn(&G) -> Result<(&[u8], &[u8]), StoreError> {}

impl<G, F: Fn(&G) -> Result<(&[u8], &[u8]), StoreError>> Read<G> for F {}

impl Recent {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, batch: Batch) {
        for (key, value) in batch.entries {
            self.0.insert_mut(key, value);
        }
    }

    /// What each key was last, in rising order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// What a key was last, if it is here.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.0.get(key)
    }

    /// Visits what is here and what is in an older table, in rising order, as one.
    pub(super) fn scan<G>(
        &self,
        (start, end): (&[u8], &[u8]),
        older: impl Iterator<Item = Result<G, StoreError>>,
        read: impl Read<G>,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let newer = self.0.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end)));
        walk(newer.peekable(), older, (read, |newer, older| newer.cmp(older)), visit)
    }

    /// The same in falling order.
    pub(super) fn scan_back<G>(
        &self,
        (start, end): (&[u8], &[u8]),
        older: impl Iterator<Item = Result<G, StoreError>>,
        read: impl Read<G>,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let newer = self.0.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end))).rev();
        walk(newer.peekable(), older, (read, |newer, older| older.cmp(newer)), visit)
    }
}

fn walk<'a, G>(
    mut newer: Peekable<impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>>,
    older: impl Iterator<Item = Result<G, StoreError>>,
    (read, order): (impl Read<G>, impl Fn(&[u8], &[u8]) -> Ordering),
    visit: Visit<'_>,
) -> Result<ControlFlow<()>, StoreError> {
    for entry in older {
        let entry = entry?;
        let (key, value) = read(&entry)?;
        while let Some((key, value)) = newer.next_if(|(one, _)| order(one, key).is_lt()) {
            if value.as_ref().is_some_and(|value| visit(key, value).is_break()) {
                return Ok(ControlFlow::Break(()));
            }
        }
        let replaced = newer.next_if(|(one, _)| order(one, key).is_eq());
        let value = match &replaced {
            Some((_, value)) => value.as_deref(),
            None => Some(value),
        };
        if value.is_some_and(|value| visit(key, value).is_break()) {
            return Ok(ControlFlow::Break(()));
        }
    }
    for (key, value) in newer {
        if value.as_ref().is_some_and(|value| visit(key, value).is_break()) {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Vec<u8> {
        vec![byte]
    }

    fn itself(entry: &[u8; 1]) -> Result<(&[u8], &[u8]), StoreError> {
        let damaged = || StoreError::Damaged { what: "it is nine".to_owned() };
        if entry == &[9] { Err(damaged()) } else { Ok((entry, entry)) }
    }

    #[test]
    fn what_is_newer_replaces_removes_and_adds_in_both_directions() {
        let mut recent = Recent::default();
        let mut batch = Batch::default();
        batch.put(key(0), key(10));
        batch.delete(key(1));
        batch.put(key(3), key(13));
        batch.put(key(5), key(15));
        batch.delete(key(6));
        recent.add(batch);
        let before = recent.clone();
        let mut batch = Batch::default();
        batch.put(key(6), key(16));
        recent.add(batch);
        let older = || [1, 2, 3, 4].map(|byte| Ok([byte])).into_iter();
        let seen = |recent: &Recent, most: usize| {
            let (mut up, mut down) = (Vec::new(), Vec::new());
            let (from, to) = (&[0][..], &[7][..]);
            let taking = |list: &mut Vec<(u8, u8)>, key: &[u8], value: &[u8]| {
                list.push((key[0], value[0]));
                if list.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let _end = recent
                .scan((from, to), older(), itself, &mut |k, v| taking(&mut up, k, v))
                .unwrap();
            let falling = older().rev();
            let back = &mut |k: &[u8], v: &[u8]| taking(&mut down, k, v);
            let _end = recent.scan_back((from, to), falling, itself, back).unwrap();
            (up, down)
        };
        let (up, down) = seen(&recent, 99);
        assert_eq!(up, [(0, 10), (2, 2), (3, 13), (4, 4), (5, 15), (6, 16)]);
        assert_eq!(down, up.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(seen(&recent, 2), (vec![(0, 10), (2, 2)], vec![(6, 16), (5, 15)]));
        assert_eq!(seen(&before, 99).0.len(), 5);
        assert_eq!((recent.get(&[1]), recent.get(&[2])), (Some(&None), None));
        let damaged = [9].map(|byte| Ok([byte])).into_iter();
        let scanned =
            recent.scan((&[0], &[9, 9]), damaged, itself, &mut |_, _| ControlFlow::Continue(()));
        assert!(matches!(scanned, Err(StoreError::Damaged { .. })));
        assert_eq!(recent.iter().map(|(key, _)| key[0]).collect::<Vec<_>>(), [0, 1, 3, 5, 6]);
    }
}
