//! The command from outside: its help, what it says when something is wrong, and its exit codes.
//! `UPDATE_GOLDEN=1 cargo test -p windlass-cli --test cli` writes the expected texts anew.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A user with an empty home.
struct User {
    home: TempDir,
}

impl User {
    fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a folder can be made") }
    }

    #[expect(clippy::disallowed_methods, reason = "the command is what is tested")]
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.args(arguments).env_clear().env("HOME", self.home.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the command runs")
    }

    fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        stdin.write_all(input.as_bytes()).expect("the command reads");
        drop(stdin);
        child.wait_with_output().expect("the command ends")
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the command writes UTF-8")
}

/// Compares what a command writes with the golden text; the home's path stands as `~`.
fn check(user: &User, name: &str, arguments: &[&str]) {
    let output = user.run(arguments);
    let home = user.home.path().display().to_string();
    let seen = format!(
        "$ windlass {}\n{}{}exit {}\n",
        arguments.join(" "),
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().expect("it exits")
    )
    .replace(&home, "~");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let path: PathBuf = path.with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &seen).expect("a golden text can be written");
    }
    let expect = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(seen, expect, "{} differs", path.display());
}

#[test]
fn help() {
    let user = User::new();
    check(&user, "help", &["--help"]);
    check(&user, "help-up", &["up", "--help"]);
    check(&user, "help-down", &["down", "--help"]);
    check(&user, "help-run", &["run", "--help"]);
    check(&user, "help-network", &["network", "--help"]);
    check(&user, "help-network-create", &["network", "create", "--help"]);
    check(&user, "help-network-evidence", &["network", "evidence", "--help"]);
    check(&user, "help-network-logs", &["network", "logs", "--help"]);
    check(&user, "help-network-destroy", &["network", "destroy", "--help"]);
    check(&user, "help-network-node-add", &["network", "node", "add", "--help"]);
    check(&user, "help-network-node-rm", &["network", "node", "rm", "--help"]);
    for verb in ["create", "rotate", "revoke"] {
        check(&user, &format!("help-network-key-{verb}"), &["network", "key", verb, "--help"]);
    }
    check(&user, "help-network-propose", &["network", "propose", "--help"]);
    check(&user, "help-network-propose-set", &["network", "propose", "trade", "set", "--help"]);
    check(&user, "help-network-vote", &["network", "vote", "--help"]);
    check(&user, "help-apply", &["apply", "--help"]);
    check(&user, "help-operation", &["operation", "--help"]);
    check(&user, "help-context", &["context", "--help"]);
}

#[test]
fn errors() {
    let user = User::new();
    check(&user, "error-no-platform", &["status"]);
    check(&user, "error-no-platform-json", &["status", "--json"]);
    check(&user, "error-unknown-verb", &["netwrok", "ls"]);
    check(&user, "error-unknown-option-json", &["network", "ls", "--jsn", "--json"]);
    check(&user, "error-name-missing", &["network", "create"]);
    check(&user, "error-url", &["--url", "ftp://x", "status"]);
    check(&user, "error-token", &["--url", "http://127.0.0.1:9", "status"]);
    check(&user, "error-context", &["--context", "nope", "status"]);
    check(&user, "error-run-no-command", &["run", "--validators", "4"]);
    check(&user, "error-run-no-dashes-json", &["run", "true", "--json"]);
    check(&user, "error-run-template", &["run", "--template", "devs", "--", "true"]);
    check(&user, "error-listen-remote", &["up", "--listen", "0.0.0.0:0"]);
    let file = user.write("file", "x");
    let lease = ["up", "--lease", "lease-0123456789abcdef", "--data-dir", "/tmp/windlass-none"];
    check(&user, "error-up-lease", &lease);
    check(&user, "error-data-dir-file", &["up", "--data-dir", &file]);
}

/// With a URL and a token a platform is found without being asked; specs are read before it is.
#[test]
fn specs() {
    let user = User::new();
    let token = user.write("token", "t");
    let create = |name: &str, spec: &str| {
        let connection = ["--url", "http://127.0.0.1:9", "--token-file", &token];
        let arguments = [&connection[..], &["network", "create", "-f", spec]].concat();
        check(&user, name, &arguments);
    };
    create("spec-unknown-field", &user.write("a.toml", "name = \"trade\"\nvalidatos = 4\n"));
    create("spec-wrong-type", &user.write("b.toml", "name = \"trade\"\nvalidators = \"four\"\n"));
    create("spec-unknown-field-json", &user.write("c.json", "{\n  \"validatos\": 4\n}\n"));
    create("spec-no-name", &user.write("d.toml", "validators = 4\n"));
    create("spec-absent", &user.home.path().join("none.toml").display().to_string());
    create("spec-unreachable", &user.write("e.toml", "name = \"trade\"\n"));
}

/// Evidence that a validator voted twice is verified offline.
#[test]
fn evidence() {
    let user = User::new();
    let vector = |name: &str| {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proof/vectors");
        fs::read_to_string(vectors.join(name)).expect("there is the vector")
    };
    let genesis = user.write("genesis.json", &vector("genesis.json"));
    let verify = |name: &str, file: &str, more: &[&str]| {
        let arguments = [&["verify", file, "--genesis", &genesis][..], more].concat();
        check(&user, name, &arguments);
    };
    let twice = vector("evidence/finalized-twice.json");
    let file = user.write("evidence.json", &twice);
    verify("verify-evidence", &file, &[]);
    verify("verify-evidence-json", &file, &["--json"]);
    let nullified = user.write("null.json", &vector("evidence/finalized-and-nullified.json"));
    verify("verify-evidence-nullified", &nullified, &[]);
    let block = "07".repeat(32);
    let forged = twice.replacen(&block, &block.replacen('7', "9", 1), 1);
    assert_ne!(forged, twice);
    verify("verify-evidence-forged", &user.write("forged.json", &forged), &[]);
    let cut = twice.replacen("\"votes\"", "\"vote\"", 1);
    verify("verify-evidence-malformed", &user.write("cut.json", &cut), &[]);
}

/// Proposals are read before a platform is asked, like specs.
#[test]
fn proposals() {
    let user = User::new();
    let token = user.write("token", "t");
    let propose = |name: &str, rest: &[&str]| {
        let connection = ["--url", "http://127.0.0.1:9", "--token-file", &token];
        let arguments = [&connection[..], &["network", "propose", "trade"], rest].concat();
        check(&user, name, &arguments);
    };
    propose("proposal-none", &[]);
    propose("proposal-unknown-action", &["suspend-node", "x"]);
    propose("proposal-interval", &["set", "block-interval", "200"]);
    let file = user
        .write("a.toml", "reason = \"why\"\n[[actions]]\naction = \"set_gas_limit\"\ngas = 1\n");
    propose("proposal-file-field", &["-f", &file]);
    propose("proposal-file-and-action", &["-f", &file, "remove-member", "beta"]);
    propose(
        "proposal-file-absent",
        &["-f", &user.home.path().join("none.toml").display().to_string()],
    );
    propose("proposal-unreachable", &["remove-member", "beta", "--as", "acme", "--force"]);
}

#[test]
fn a_named_port_that_is_taken_is_told() {
    let user = User::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it listens").to_string();
    let output = user.run(&["up", "--json", "--listen", &address]);
    assert_eq!(output.status.code(), Some(4));
    let problem: Value = serde_json::from_slice(&output.stderr).expect("a problem in JSON");
    assert_eq!(problem["code"], "port_in_use");
}

#[test]
fn contexts_are_kept_for_their_user_only() {
    use std::os::unix::fs::PermissionsExt;

    let user = User::new();
    let add = |name, url| ["context", "add", name, "--url", url, "--json"];
    let added = user.run_with_input(&add("one", "http://127.0.0.1:1/"), "secret-one\n");
    assert!(added.status.success(), "{}", text(&added.stderr));
    assert!(!text(&added.stdout).contains("secret"), "a token is not shown");
    let added = user.run_with_input(&add("two", "https://two.example.com"), "secret-two\n");
    assert!(added.status.success(), "{}", text(&added.stderr));
    let path = user.home.path().join(".config/windlass/contexts.toml");
    let mode = fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let list = |arguments: &[&str]| {
        let output = user.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let listed: Value = serde_json::from_slice(&output.stdout).expect("a list in JSON");
        let entries = listed.as_array().expect("a list").iter();
        entries
            .map(|entry| (entry["name"].to_string(), entry["current"] == true))
            .collect::<Vec<_>>()
    };
    let (one, two) = ("\"one\"".to_owned(), "\"two\"".to_owned());
    assert_eq!(list(&["context", "ls"]), [(one.clone(), true), (two.clone(), false)]);
    assert_eq!(list(&["context", "use", "two"]), [(one.clone(), false), (two, true)]);
    assert_eq!(list(&["context", "rm", "two"]), [(one, false)]);
    assert_eq!(user.run(&["context", "use", "two"]).status.code(), Some(2));
    let empty = user.run_with_input(&add("three", "http://127.0.0.1:1"), "");
    assert_eq!(empty.status.code(), Some(2));
}

#[test]
fn completions_and_version() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = user.run(&["completions", shell]);
        assert!(output.status.success() && text(&output.stdout).contains("network"), "{shell}");
    }
    let version = user.run(&["version", "--json"]);
    let value: Value = serde_json::from_slice(&version.stdout).expect("JSON");
    assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
}
