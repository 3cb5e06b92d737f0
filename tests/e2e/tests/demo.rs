//! `make demo`, with a program that is built already: it shows what it promises, and however it ends
//! it says so and leaves nothing.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout},
};

use tempfile::TempDir;
use windlass_e2e::{binary, start_tool, world};

/// A demo that runs, in a temporary directory of its own.
struct Demo {
    folder: TempDir,
    child: Child,
    stdout: BufReader<ChildStdout>,
    said: String,
}

/// How a demo ended.
struct Ended {
    code: Option<i32>,
    /// What it said on both streams.
    said: String,
}

impl Demo {
    fn start(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("wl").tempdir().expect("a folder can be made");
        let program = binary();
        let mut all = vec![
            ("TMPDIR", folder.path().to_str().expect("a path in ASCII")),
            ("DEMO_PROGRAM", program.to_str().expect("a path in UTF-8")),
        ];
        all.extend(environment);
        let mut child = start_tool("node", &["scripts/demo/demo.mjs"], &all);
        let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        Self { folder, child, stdout, said: String::new() }
    }

    /// Reads until it has said something.
    fn until(mut self, text: &str) -> Self {
        while !self.said.contains(text) {
            let read = self.stdout.read_line(&mut self.said).expect("it speaks UTF-8");
            assert!(read > 0, "it ended before it said `{text}`:\n{}", self.rest().said);
        }
        self
    }

    /// Presses Ctrl-C.
    fn interrupt(self) -> Self {
        world::interrupt_group(self.child.id());
        self
    }

    /// Kills the process of its platform that runs a verb.
    fn kill(self, verb: &str) -> Self {
        let all = world::processes(self.folder.path());
        let found = all.iter().find(|process| process.is(verb));
        world::kill(found.expect("it runs").pid);
        self
    }

    fn rest(&mut self) -> Ended {
        let mut said = std::mem::take(&mut self.said);
        self.stdout.read_to_string(&mut said).expect("it speaks UTF-8");
        let mut stderr = self.child.stderr.take().expect("stderr is a pipe");
        stderr.read_to_string(&mut said).expect("it speaks UTF-8");
        let status = self.child.wait().expect("a child can be waited for");
        Ended { code: status.code(), said }
    }

    /// Waits for the end, after which nothing of it is there.
    fn end(mut self, code: i32, says: &[&str]) {
        let ended = self.rest();
        assert_eq!(ended.code, Some(code), "{}", ended.said);
        for text in says {
            assert!(ended.said.contains(text), "it does not say `{text}`:\n{}", ended.said);
        }
        assert_eq!(world::processes(self.folder.path()), [], "{}", ended.said);
        let sockets = world::unix_sockets(self.folder.path());
        assert!(sockets.is_empty(), "{sockets:?}\n{}", ended.said);
        let files = fs::read_dir(self.folder.path()).expect("the folder is there");
        assert_eq!(files.count(), 0, "{}", ended.said);
    }
}

const NOTHING_LEFT: &str = "Nothing of it is left.";
const UP: &str = "Stop with Ctrl-C";

#[test]
fn it_ends_by_itself_when_told_to() {
    let promised = [
        "1000 transfers from 20 accounts are final",
        "finalised transactions a second",
        "p99",
        "Console: http://127.0.0.1:",
        "Release receipt of demo",
    ];
    Demo::start(&[("DEMO_ONCE", "1")]).end(0, &promised);
}

#[test]
fn ctrl_c_is_how_it_is_stopped() {
    Demo::start(&[]).until(UP).interrupt().end(0, &["Release receipt of demo"]);
}

#[test]
fn ctrl_c_in_the_middle_of_a_create_dismantles_it() {
    let says = ["was ended by Ctrl-C at “Create a network", NOTHING_LEFT];
    Demo::start(&[]).until("Start the platform").interrupt().end(130, &says);
}

#[test]
fn a_platform_that_dies_is_told_of() {
    let says = ["the platform was ended by SIGKILL", "What to do: ", NOTHING_LEFT];
    Demo::start(&[]).until("test transaction").kill("up").end(1, &says);
}
