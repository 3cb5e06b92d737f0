use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;

fn id(digit: char) -> KeyId {
    format!("key-{}", digit.to_string().repeat(16)).parse().unwrap()
}

fn vault() -> (tempfile::TempDir, Vault) {
    let parent = tempfile::tempdir().unwrap();
    let vault = Vault::open(parent.path().join("keys")).unwrap();
    (parent, vault)
}

fn key_file(vault: &Vault, id: &KeyId) -> PathBuf {
    vault.directory().join(id.to_string()).join(KEY_FILE)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn everything_is_private_to_its_owner() {
    let (_parent, vault) = vault();
    vault.create(&id('a'), Purpose::Node).unwrap();
    assert_eq!(mode(vault.directory()), 0o700);
    assert_eq!(mode(&vault.directory().join(id('a').to_string())), 0o700);
    assert_eq!(mode(&key_file(&vault, &id('a'))), 0o600);
}

#[test]
fn what_others_could_read_is_refused() {
    let (_parent, vault) = vault();
    vault.create(&id('a'), Purpose::Node).unwrap();
    let file = key_file(&vault, &id('a'));

    set_mode(&file, 0o640);
    let error = vault.ed25519(&id('a')).err().unwrap();
    assert_eq!(error.code(), "key_too_open");
    assert!(error.to_string().contains("0640"), "{error}");
    assert!(error.hint().contains("chmod"), "{}", error.hint());
    set_mode(&file, 0o600);

    set_mode(file.parent().unwrap(), 0o755);
    assert_eq!(vault.ed25519(&id('a')).err().unwrap().code(), "key_too_open");
    set_mode(file.parent().unwrap(), 0o700);

    set_mode(vault.directory(), 0o701);
    assert_eq!(Vault::open(vault.directory()).unwrap_err().code(), "key_too_open");
    set_mode(vault.directory(), 0o700);
    vault.ed25519(&id('a')).unwrap();
}

#[test]
fn a_vault_that_is_not_a_directory_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("keys");
    fs::write(&path, "").unwrap();
    assert_eq!(Vault::open(&path).unwrap_err().code(), "key_wrong_kind");
    let link = parent.path().join("link");
    fs::create_dir(parent.path().join("real")).unwrap();
    symlink(parent.path().join("real"), &link).unwrap();
    assert_eq!(Vault::open(&link).unwrap_err().code(), "key_wrong_kind");
    assert_eq!(Vault::open(parent.path().join("no/parent")).unwrap_err().code(), "key_io");
}

#[test]
fn creating_again_returns_the_same_key() {
    let (_parent, vault) = vault();
    for (digit, purpose) in
        [('a', Purpose::Node), ('b', Purpose::Consensus), ('c', Purpose::Account)]
    {
        let made = vault.create(&id(digit), purpose).unwrap();
        let reopened = Vault::open(vault.directory()).unwrap();
        assert_eq!(reopened.create(&id(digit), purpose).unwrap(), made);
    }
    let error = vault.create(&id('a'), Purpose::Account).unwrap_err();
    assert_eq!(error.to_string(), "the purpose of key key-aaaaaaaaaaaaaaaa is node, not account");
    let purposes: Vec<_> =
        vault.list().unwrap().into_iter().map(|key| (key.id, key.purpose)).collect();
    let expect =
        vec![(id('a'), Purpose::Node), (id('b'), Purpose::Consensus), (id('c'), Purpose::Account)];
    assert_eq!(purposes, expect);
}

#[test]
fn concurrent_creation_makes_one_key() {
    let (_parent, vault) = vault();
    let keys: Vec<PublicKey> = std::thread::scope(|scope| {
        let creators: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| vault.create(&id('a'), Purpose::Node).unwrap()))
            .collect();
        creators.into_iter().map(|creator| creator.join().unwrap()).collect()
    });
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
}

#[test]
fn signers_sign_with_the_key_that_was_made() {
    let (_parent, vault) = vault();
    let public = vault.create(&id('a'), Purpose::Consensus).unwrap();
    let signer = vault.ed25519(&id('a')).unwrap();
    assert_eq!(Some(signer.public_key()), public.ed25519());
    assert_eq!(signer.sign(b"vote").unwrap(), signer.sign(b"vote").unwrap());
    let key = aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ED25519,
        signer.public_key(),
    );
    key.verify(b"vote", &signer.sign(b"vote").unwrap()).unwrap();
    key.verify(b"veto", &signer.sign(b"vote").unwrap()).unwrap_err();

    let account = vault.create(&id('b'), Purpose::Account).unwrap();
    assert_eq!(account.as_bytes(), vault.secp256k1(&id('b')).unwrap().address());
    assert_eq!(vault.ed25519(&id('b')).err().unwrap().code(), "key_other_purpose");
    assert_eq!(vault.secp256k1(&id('a')).err().unwrap().code(), "key_other_purpose");
    assert_eq!(vault.ed25519(&id('c')).err().unwrap().code(), "key_not_found");
}

#[test]
fn a_crash_before_the_rename_leaves_no_key_and_is_cleaned_up() {
    let (_parent, vault) = vault();
    let directory = vault.directory().join(id('a').to_string());
    file::private_directory(&directory).unwrap();
    let leftover = directory.join(format!("{TEMPORARY_PREFIX}0123"));
    fs::write(&leftover, "{\"version\":1,\"secret").unwrap();
    assert_eq!(vault.list().unwrap(), vec![]);
    assert_eq!(vault.ed25519(&id('a')).err().unwrap().code(), "key_not_found");
    vault.create(&id('a'), Purpose::Node).unwrap();
    assert!(!leftover.exists());
    assert_eq!(entries(&directory).unwrap(), vec![directory.join(KEY_FILE)]);
}

#[test]
fn a_damaged_file_is_an_error_that_quotes_nothing() {
    let (_parent, vault) = vault();
    vault.create(&id('a'), Purpose::Node).unwrap();
    vault.create(&id('b'), Purpose::Node).unwrap();
    let file = key_file(&vault, &id('a'));
    let good = fs::read_to_string(&file).unwrap();
    let other = fs::read_to_string(key_file(&vault, &id('b'))).unwrap();
    let content: serde_json::Value = serde_json::from_str(&good).unwrap();
    let secret = content["secret_key"].as_str().unwrap().to_owned();
    let flipped = if secret.starts_with('0') { "1" } else { "0" };

    for (damaged, code) in [
        (String::new(), "key_damaged"),
        (good[..good.len() / 2].to_owned(), "key_damaged"),
        (other, "key_damaged"),
        (good.replace(&secret, &format!("{flipped}{}", &secret[1..])), "key_damaged"),
        (good.replace(&secret, &secret[2..]), "key_damaged"),
        (good.replace("\"node\"", &format!("\"{secret}\"")), "key_damaged"),
        (good.replace("\"version\":1", &format!("\"version\":\"{secret}\"")), "key_damaged"),
        (good.replace("\"version\":1", "\"version\":0"), "key_damaged"),
        (good.replace("\"version\":1", "\"version\":2,\"kdf\":\"argon2\""), "key_newer_format"),
    ] {
        fs::write(&file, &damaged).unwrap();
        let error = vault.ed25519(&id('a')).err().unwrap();
        assert_eq!(error.code(), code, "{damaged}");
        assert!(!error.hint().is_empty());
        let text = format!("{error} {error:?}");
        assert!(!text.contains(&secret), "{text}");
        // A damaged key is never replaced by a new one silently.
        assert_eq!(vault.create(&id('a'), Purpose::Node).unwrap_err().code(), code);
    }
    fs::write(&file, good).unwrap();
    vault.ed25519(&id('a')).unwrap();
}

#[test]
fn destroying_overwrites_and_can_be_repeated() {
    let (parent, vault) = vault();
    let public_key = vault.create(&id('a'), Purpose::Node).unwrap();
    let file = key_file(&vault, &id('a'));
    // A second name for the same file shows what its blocks hold afterwards.
    let witness = parent.path().join("witness");
    fs::hard_link(&file, &witness).unwrap();

    let destroyed = vault.destroy(&id('a')).unwrap();
    assert_eq!(destroyed.key, Some(KeyInfo { id: id('a'), purpose: Purpose::Node, public_key }));
    assert_eq!(destroyed.removed, vec![file.clone(), file.parent().unwrap().to_owned()]);
    assert!(!file.parent().unwrap().exists());
    let left = fs::read(&witness).unwrap();
    assert!(!left.is_empty() && left.iter().all(|byte| *byte == 0));

    assert_eq!(vault.destroy(&id('a')).unwrap().removed, Vec::<PathBuf>::new());
    assert_eq!(vault.ed25519(&id('a')).err().unwrap().code(), "key_not_found");
    assert_ne!(vault.create(&id('a'), Purpose::Node).unwrap(), public_key);
}

#[test]
fn destroying_takes_damaged_keys_and_leaves_foreign_files() {
    let (_parent, vault) = vault();
    vault.create(&id('a'), Purpose::Node).unwrap();
    let file = key_file(&vault, &id('a'));
    fs::write(&file, "rubbish").unwrap();
    let foreign = file.with_file_name("precious.txt");
    fs::write(&foreign, "mine").unwrap();
    assert_eq!(vault.destroy(&id('a')).unwrap_err().code(), "key_wrong_kind");
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "mine");
    fs::remove_file(&foreign).unwrap();
    assert_eq!(vault.destroy(&id('a')).unwrap().key, None);
    assert!(!file.exists());
}

#[test]
fn a_voting_record_only_advances_and_goes_with_its_key() {
    let (_parent, vault) = vault();
    let id = id('a');
    vault.create(&id, Purpose::Consensus).unwrap();
    let record = vault.voting_record(&id, VotesIn::First).unwrap();
    assert_eq!(record.newest().unwrap(), None);
    let voted = |epoch, journal| Voted { epoch, journal };
    record.advance(voted(3, 7)).unwrap();
    record.advance(voted(2, 8)).unwrap();
    assert_eq!(
        vault.voting_record(&id, VotesIn::First).unwrap().newest().unwrap(),
        Some(voted(3, 7))
    );
    record.advance(voted(3, u64::MAX)).unwrap();
    assert_eq!(record.newest().unwrap(), Some(voted(3, u64::MAX)));

    let file = vault.directory().join(id.to_string()).join("voted");
    fs::write(&file, "3").unwrap();
    assert!(matches!(record.newest(), Err(KeyError::Damaged { .. })));
    assert!(
        matches!(record.advance(voted(4, 1)), Err(KeyError::Damaged { .. })),
        "nothing is guessed"
    );

    assert!(vault.destroy(&id).unwrap().removed.contains(&file));
    assert!(!file.exists());
}

#[test]
fn each_network_has_a_record_of_its_own_and_keeps_it() {
    let (_parent, vault) = vault();
    let id = id('a');
    vault.create(&id, Purpose::Consensus).unwrap();
    let of = |network| vault.voting_record(&id, network).unwrap();
    let (first, second) = (VotesIn::First, VotesIn::Successor([7; 32]));
    let old = Voted { epoch: 90, journal: 1 };
    of(first).advance(old).unwrap();
    assert_eq!(of(second).newest().unwrap(), None, "the key is free to vote there");
    of(second).advance(Voted { epoch: 0, journal: 2 }).unwrap();
    assert_eq!(of(first).newest().unwrap(), Some(old), "and never again where it voted");
    assert_eq!(of(VotesIn::Successor([8; 32])).newest().unwrap(), None);
    let removed = vault.destroy(&id).unwrap().removed;
    assert_eq!(removed.len(), 4, "key, two records and the directory: {removed:?}");
}

#[test]
fn only_a_consensus_key_has_a_voting_record() {
    let (_parent, vault) = vault();
    let id = id('a');
    vault.create(&id, Purpose::Node).unwrap();
    assert!(matches!(vault.voting_record(&id, VotesIn::First), Err(KeyError::OtherPurpose { .. })));
    let absent = vault.voting_record(&self::id('b'), VotesIn::First);
    assert!(matches!(absent, Err(KeyError::NotFound(_))));
}
