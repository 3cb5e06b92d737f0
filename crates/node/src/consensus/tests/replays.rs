//! A peer that sends again what it heard: the same, for other epochs, cut off, too long, and on every
//! other channel.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use commonware_codec::{DecodeExt as _, Encode as _, ReadExt as _, varint::UInt};
use commonware_p2p::{Receiver as _, Recipients, Sender as _};
use commonware_runtime::{Spawner as _, Supervisor as _};

use super::{
    Memory,
    changes::send_some,
    machine::Machine as _,
    network::{Network, link},
    process::{CHANNELS, TIPS},
    simulate,
};
use crate::{consensus::announcement::Announcement, seam::Ledger as _};

/// Those whose messages begin with their epoch.
const OF_EPOCHS: u64 = 3;
/// More than any message but a block may have.
const TOO_LONG: usize = 1 << 20;

/// What is made of a message.
fn variants(channel: u64, message: &[u8]) -> Vec<Vec<u8>> {
    let mut variants = vec![
        message.to_vec(),
        message[..message.len() / 2].to_vec(),
        [message, &[0; 9]].concat(),
        [message, &vec![0xff; TOO_LONG]].concat(),
    ];
    let mut rest = bytes::Bytes::copy_from_slice(message);
    if channel < OF_EPOCHS && UInt::<u64>::read(&mut rest).is_ok() {
        for epoch in [1_u64, 2, 1_000_000, u64::MAX] {
            let mut other = UInt(epoch).encode().to_vec();
            other.extend_from_slice(&rest);
            variants.push(other);
        }
    }
    variants
}

impl Network<Memory> {
    /// Has a validator that doesn't run answer what it hears on a channel with all of that.
    async fn replay(&mut self, index: usize, channel: u64) {
        let (mut sender, mut receiver) = self.register(index, channel).await;
        let mut others = Vec::new();
        for other in (0..CHANNELS).filter(|other| *other != channel) {
            others.push(self.register(index, other).await);
        }
        self.come(index);
        self.context.child("replayer").spawn(move |_| async move {
            while let Ok((_, message)) = receiver.recv().await {
                let message = message.as_ref().to_vec();
                for variant in variants(channel, &message) {
                    let bytes = bytes::Bytes::from(variant);
                    let _sent = sender.send(Recipients::All, bytes, false);
                }
                for (other, _) in &mut others {
                    let bytes = bytes::Bytes::from(message.clone());
                    let _sent = other.send(Recipients::All, bytes, false);
                }
            }
        });
    }
}

#[test]
fn what_is_sent_again_or_for_another_epoch_harms_nobody_else() {
    for channel in 0..CHANNELS {
        simulate(470 + channel, 4, 16, async |network| {
            network.replay(3, channel).await;
            for index in 0..3 {
                network.start(index).await;
            }
            send_some(network, 40).await;
            network.check_honesty();
            let waiting: Vec<_> = (0..3).map(|index| network.status(index).stalled).collect();
            assert!(waiting.iter().all(Option::is_none), "{waiting:?}");
        });
    }
}

#[test]
fn a_genuine_certificate_proves_no_other_height() {
    simulate(480, 7, 1_000, async |network| {
        let (mut sender, mut receiver) = network.register(6, TIPS).await;
        network.come(6);
        let victim = network.validators[5].key.clone();
        let (told, boasts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, may) = (Arc::clone(&told), Arc::clone(&boasts));
        network.context.child("boaster").spawn(move |_| async move {
            while let Ok((_, message)) = receiver.recv().await {
                let Ok(mut heard) = Announcement::decode(message) else { continue };
                // Of a block that the victim has it would be blocked.
                if heard.height > 0 && may.load(Ordering::Relaxed) {
                    heard.height += 900;
                    heard.question = None;
                    count.fetch_add(1, Ordering::Relaxed);
                    let to = Recipients::One(victim.clone());
                    let _sent = sender.send(to, heard.encode(), false);
                }
            }
        });
        for index in 0..6 {
            network.start(index).await;
        }
        send_some(network, 10).await;
        for other in 0..5 {
            network.cut(5, other).await;
            network.cut(other, 5).await;
        }
        boasts.store(true, Ordering::Relaxed);
        let sent = network.send(0);
        let there = |network: &Network<Memory>| {
            (0..5).all(|index| Memory::contains(&network.validators[index].ledger, sent))
        };
        network.until("the others have it", 5_000, there).await;
        network.pass(35_000).await;
        assert!(told.load(Ordering::Relaxed) > 0, "nobody boasted");
        let tip = network.validators[5].ledger.tip().number;
        network.connect_all(&link()).await;
        network.pass(35_000).await;
        for index in 0..6 {
            assert_eq!(network.validators[index].ledger.tip().number, tip + 1);
            assert!(!network.status(index).syncing, "validator {index} waits for more");
        }
    });
}
