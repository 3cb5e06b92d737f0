use super::*;
use crate::read;

fn defaults() -> Defaults {
    Defaults { chain_id: 77, organization: "acme".parse().expect("a valid name") }
}

fn resolve(text: &str) -> Result<NetworkSpec, Box<Problem>> {
    read::toml::<Manifest>(text, ErrorCode::InvalidSpec)?.resolve(&defaults())
}

#[track_caller]
fn refused(text: &str, place: (Option<usize>, &str), detail: &str, hint: &str) {
    let problem = resolve(text).expect_err("the spec is refused");
    let location = problem.location.clone().expect("a place is given");
    assert_eq!(problem.code, ErrorCode::InvalidSpec);
    assert_eq!((location.line, location.field.as_deref()), (place.0, Some(place.1)), "{problem:?}");
    assert!(problem.detail.contains(detail), "{}", problem.detail);
    assert!(problem.hint.contains(hint), "{}", problem.hint);
}

#[test]
fn an_empty_manifest_has_four_validators_of_the_organization() {
    let spec = resolve("").expect("every field has a default");
    assert_eq!(spec.chain_id, 77);
    assert_eq!(spec.validators(), 4);
    assert_eq!(spec.tolerated_faults(), 1);
    assert_eq!(spec.members[0].organization.as_str(), "acme");
}

#[test]
fn an_archive_executes_each_block() {
    let kept = |text: &str| resolve(text).map(|spec| (spec.archive, spec.sync)).unwrap();
    assert_eq!(kept(""), (false, SyncMode::Fast));
    assert_eq!(kept("archive = true\n"), (true, SyncMode::Full));
    refused("archive = true\nsync = \"fast\"\n", (None, "sync"), "newest one", "leave `sync` out");
}

#[test]
fn a_life_is_a_minute_to_ten_years_or_without_an_end() {
    assert_eq!(resolve("").unwrap().ttl_s, 0);
    assert_eq!(resolve("ttl_s = 60").unwrap().ttl_s, 60);
    assert_eq!(resolve("ttl_s = 0").unwrap().ttl_s, 0);
    refused("ttl_s = 59", (None, "ttl_s"), "from 60 to 315360000", "leave it out");
    refused("ttl_s = 315360001", (None, "ttl_s"), "from 60", "leave it out");
    refused("ttl_s = -1", (Some(1), "ttl_s"), "", "");
}

#[test]
fn a_spec_survives_json() {
    let spec = resolve(
        "cors_origins = [\"https://a.example\"]\n[fees]\npolicy = \"eip1559\"\n\
         [alloc.0xABCDEF0000000000000000000000000000000001]\nbalance = \"1000\"\n",
    )
    .expect("the manifest is valid");
    let json = serde_json::to_string(&spec).expect("a spec serializes");
    assert_eq!(serde_json::from_str::<NetworkSpec>(&json).expect("and reads back"), spec);
    assert!(json.contains("0xabcdef0000000000000000000000000000000001"));
}

#[test]
fn mistakes_name_their_place_and_a_remedy() {
    refused(
        "name = \"a\"\nvalidatrs = 4\n",
        (Some(2), "validatrs"),
        "unknown field",
        "`validators`",
    );
    refused("gas_limit = \"many\"\n", (Some(1), "gas_limit"), "invalid type", "correct");
    refused("gas_limit = 5\n", (None, "gas_limit"), "from 1000000", "leave it out");
    let cap = "transaction_gas_cap";
    refused("transaction_gas_cap = 999999\n", (None, cap), "from 1000000", "leave it out");
    let charged = "[fees]\npolicy = \"eip1559\"\n";
    refused(charged, (None, "fees"), "not even a vote", "a `balance` in `alloc`");
    let poor = "[alloc.0xabcdef0000000000000000000000000000000001]\nbalance = \"0\"\n";
    refused(&format!("{charged}{poor}"), (None, "fees"), "not even a vote", "leave `fees` out");
    refused("validators = 0\n", (None, "validators"), "0 validators", "1 is enough");
    refused("validators = 1000\n", (None, "validators"), "1000 validators", "4 validators");
    refused(
        "chain_id = 9007199254740992\n",
        (None, "chain_id"),
        "9007199254740992",
        "leave it out",
    );
    for origin in [
        "app",
        "https://",
        "https://App.example",
        "https://a.example/",
        "https://a.example:443",
        "http://a.example:80",
        "http://a.example:0",
        "http://a.example:x",
        "http://[::1",
        "ftp://a.example",
    ] {
        let text = format!("cors_origins = [\"{origin}\"]\n");
        refused(&text, (None, "cors_origins"), "not a web origin", "https://");
    }
    let twice = "[alloc.0xabcdef0000000000000000000000000000000001]\nbalance = \"1\"\n\
                 [alloc.0xABCDEF0000000000000000000000000000000001]\nbalance = \"2\"\n";
    let problem = resolve(twice).expect_err("one account has two balances");
    assert!(problem.detail.contains("stands here twice"), "{problem:?}");
    refused(
        "[[members]]\norganization = \"a\"\nvalidators = 4294967295\n\
         [[members]]\norganization = \"b\"\nvalidators = 1\n",
        (None, "members"),
        "one member",
        "consortium",
    );
    refused(
        "kind = \"consortium\"\n[[members]]\norganization = \"a\"\nvalidators = 1\n\
         [[members]]\norganization = \"a\"\nvalidators = 1\n",
        (None, "members"),
        "twice",
        "one entry",
    );
}

#[test]
fn an_address_in_mixed_case_has_its_checksum() {
    let check = |text: &str, expect: Result<&str, InvalidValue>| {
        let got = text.parse::<AccountAddress>();
        assert_eq!(
            got.as_ref().map(AccountAddress::as_str).map_err(Clone::clone),
            expect,
            "{text}"
        );
    };
    // An example of EIP-55.
    let lower = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
    check("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", Ok(lower));
    check(lower, Ok(lower));
    check("0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED", Ok(lower));
    check("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", Err(InvalidValue::Checksum));
    check("0x5aAeb6153F3E94C9b9A09f33669435E7Ef1BeAed", Err(InvalidValue::Checksum));
    check("0x5aAeb6", Err(InvalidValue::Address));
}

#[test]
fn amounts_are_kept_as_minimal_hex() {
    let check = |text: &str, expect: Option<&str>| {
        let got = text.parse::<Quantity>().ok();
        assert_eq!(got.as_ref().map(Quantity::as_str), expect, "{text}");
    };
    check("0", Some("0x0"));
    check("255", Some("0xff"));
    check("1_000", Some("0x3e8"));
    check("0x00Ff", Some("0xff"));
    check("1000000000000000000", Some("0xde0b6b3a7640000"));
    let largest = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    check(largest, Some(&format!("0x{}", "f".repeat(64))));
    let above = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
    for text in ["", "0x", "-1", "1.5", "0xg", above] {
        check(text, None);
    }
}
