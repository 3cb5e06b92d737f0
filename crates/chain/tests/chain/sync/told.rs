//! What changed meanwhile is told and not proven: in the middle of an import, and by liars.

use windlass_chain::sync::{Begun, ChangedSlots, SlotEntry};

use super::*;

/// A block in which the contract's slots at these places become zero, and one that pays it.
fn empty(source: &mut Source, slots: std::ops::Range<u64>) {
    let sender = wallet(1);
    for slot in slots {
        let transactions = vec![write(&sender, source.nonce, contract(1), slot * 7, 0)];
        source.make(transactions);
    }
}

fn pay(source: &mut Source) {
    let words = [U256::from(9_000), U256::ZERO].map(|word| word.to_be_bytes::<32>()).concat();
    let sender = wallet(1);
    let paid =
        sender.eip1559(source.nonce, TxKind::Call(contract(1)), U256::from(1), words.as_slice());
    source.make(vec![paid]);
}

fn is_of_contract(task: &Task) -> bool {
    let hash = keccak256(contract(1));
    matches!(&task.request, Request::Storage { accounts, .. } if accounts.contains(&hash))
}

#[test]
fn what_is_told_of_storage_that_is_still_to_come_leaves_no_hole() {
    let genesis = populated();
    let mut source = Source::new(&genesis);
    let store = MemoryStore::default();
    let mut importer = Importer::open(store.clone(), &genesis, 0).unwrap();
    let (mut moved, mut told, mut turns) = (false, 0, 0);
    while !importer.is_ready() {
        for task in importer.tasks().unwrap() {
            turns += 1;
            assert!(turns < 5_000, "it never ends");
            if matches!(task.request, Request::Storage { .. }) && !moved {
                // Of the contract's slots the most are gone before any came.
                empty(&mut source, 0..250);
                source.advance(300);
                moved = true;
            }
            if is_of_contract(&task) && told == 0 {
                importer.give_back(&task);
                continue;
            }
            importer.take(&task, answer(&source, &task.request)).unwrap();
            told += usize::from(task.lacking == Lacking::Changed);
            if told == 1 && task.lacking == Lacking::Changed {
                // From here on only its balance changes, which tells its root and no slot.
                pay(&mut source);
            }
        }
    }
    assert!(told > 1, "nothing was told in the middle");
    importer.finish().unwrap();
    assert_same(&mut source, &genesis, store);
}

/// Imports until what changed is asked for, for the last time.
fn nearly_done(source: &mut Source, importer: &mut Importer) -> Task {
    loop {
        for task in importer.tasks().unwrap() {
            if task.lacking == Lacking::Changed {
                return task;
            }
            importer.take(&task, answer(source, &task.request)).unwrap();
        }
    }
}

fn told(source: &Source, task: &Task) -> windlass_chain::sync::Changed {
    let Answer::Changed(changed) = answer(source, &task.request) else {
        panic!("not what changed")
    };
    changed
}

#[test]
fn a_slot_that_never_changed_cannot_be_told_in_two_steps() {
    let genesis = populated();
    let mut source = Source::new(&genesis);
    let mut importer = Importer::open(MemoryStore::default(), &genesis, 0).unwrap();
    let task = nearly_done(&mut source, &mut importer);
    source.advance(1);
    let last = write(&wallet(1), source.nonce, contract(1), 35, 777);
    source.make(vec![last]);
    let mut first = told(&source, &task);
    first.to -= 1;
    let slots = vec![SlotEntry { slot: U256::from(1_400), value: U256::from(666) }];
    first.slots.retain(|part| part.address != contract(1));
    first.slots.push(ChangedSlots { address: contract(1), slots });
    assert!(importer.take(&task, Answer::Changed(first)).unwrap());
    let task = nearly_done(&mut source, &mut importer);
    let mut second = told(&source, &task);
    assert!(second.accounts.iter().any(|entry| entry.address == contract(1)));
    second.slots.retain(|part| part.address != contract(1));
    let ended = importer.take(&task, Answer::Changed(second));
    assert!(matches!(ended, Err(SyncError::Spoilt { .. })), "{ended:?}");
}

#[test]
fn nothing_is_taken_that_is_not_beyond_what_is_there() {
    let genesis = populated();
    let mut source = Source::new(&genesis);
    let store = MemoryStore::default();
    let here = source.chain.tip().number;
    let mut importer = Importer::open(store.clone(), &genesis, here).unwrap();
    for _ in 0..3 {
        for task in importer.tasks().unwrap() {
            assert!(!importer.take(&task, answer(&source, &task.request)).unwrap(), "{task:?}");
        }
    }
    assert_eq!(Importer::begun(&store).unwrap(), Begun::Nothing);
    source.advance(1);
    let importer = import(&mut source, importer, 1_000, |importer, task, answer| {
        importer.take(task, answer).unwrap();
    });
    assert!(matches!(Importer::begun(&store).unwrap(), Begun::Part(base) if base > here));
    importer.finish().unwrap();
    assert_eq!(Importer::begun(&store).unwrap(), Begun::Whole(here + 1));
}

#[test]
fn an_empty_range_that_ends_early_is_no_answer() {
    let genesis = populated();
    let source = Source::new(&genesis);
    let mut importer = begin(&source, &genesis, MemoryStore::default());
    let task = importer.tasks().unwrap().remove(0);
    let Request::Accounts { from, .. } = task.request else { panic!("{task:?}") };
    let slow = answer(&source, &Request::Accounts { from, to: from });
    let refused = importer.take(&task, slow);
    assert!(matches!(refused, Err(SyncError::Refused(Refusal::Foreign))), "{refused:?}");
}

#[test]
fn an_import_that_goes_on_asks_where_the_chain_is() {
    let genesis = populated();
    let mut source = Source::new(&genesis);
    let store = MemoryStore::default();
    let mut importer = Importer::open(store.clone(), &genesis, 0).unwrap();
    nearly_done(&mut source, &mut importer);
    let base = source.chain.tip().number;
    source.advance(3);
    let mut importer = begin(&source, &genesis, store);
    let tasks = importer.tasks().unwrap();
    let task = tasks.iter().find(|task| task.lacking == Lacking::Tip).expect("it asks");
    assert!(importer.take(task, answer(&source, &task.request)).unwrap());
    assert_eq!(importer.tip(), base + 3);
}
