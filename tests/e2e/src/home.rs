//! A user's home, and what `windlass run` does there.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    Finished,
    tool::{binary, command, finish},
    world,
};

/// How long whatever is waited for may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A home of one's own, with all that its user starts.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
}

/// A `windlass run` whose command waits to be let go.
#[derive(Debug)]
pub struct Run {
    child: Child,
    folder: PathBuf,
}

impl Home {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("wl").tempdir().expect("a folder can be made");
        Self { folder }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of private platforms.
    pub fn private(&self) -> PathBuf {
        self.path().join("s").join("windlass")
    }

    /// The directories of private platforms.
    pub fn platforms(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.private()).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    }

    /// Runs `windlass` to its end.
    pub async fn windlass(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments)).await
    }

    /// Starts `windlass run` in a process group of its own, as CI systems do. Its command writes its
    /// environment down, and then runs the script: `$0` is a folder of the run's own.
    pub fn run(&self, options: &[&str], script: &str) -> Run {
        let number = fs::read_dir(self.path()).map_or(0, Iterator::count);
        let folder = self.path().join(format!("run{number}"));
        fs::create_dir(&folder).expect("a folder can be made");
        let script = format!(
            "echo $$ > \"$0/pid\"; env > \"$0/env.new\"; mv \"$0/env.new\" \"$0/env\"; {script}"
        );
        let mut command = self.command(&["run"]);
        command.args(options).args(["--", "sh", "-c", &script]).arg(&folder);
        let file = |name: &str| fs::File::create(folder.join(name)).expect("a file can be made");
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        let child = command.process_group(0).spawn().expect("it can be started");
        Run { child, folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(binary());
        let at = |name: &str| self.path().join(name);
        command
            .args(arguments)
            .env("HOME", self.path())
            .env("XDG_STATE_HOME", at("s"))
            .env("XDG_DATA_HOME", at("d"))
            .env("XDG_CONFIG_HOME", at("c"));
        for name in ["WINDLASS_URL", "WINDLASS_CONTEXT", "WINDLASS_DATA_DIR", "WINDLASS_TOKEN"] {
            command.env_remove(name);
        }
        command
    }

    /// Waits until nothing is left of private platforms: no process, no directory, no control group.
    pub async fn is_left_clean(&self, installations: &[String]) {
        world::eventually("nothing is left", PATIENCE, async || {
            let none = self.platforms().is_empty()
                && world::processes(&self.private()).is_empty()
                && installations.iter().all(|one| world::groups_of(one).is_empty());
            none.then_some(())
        })
        .await;
    }

    /// The ids of the installations that private platforms are.
    pub fn installations(&self) -> Vec<String> {
        let ids = self.platforms().into_iter().filter_map(|platform| {
            let text = fs::read_to_string(platform.join("installation.json")).ok()?;
            let value: serde_json::Value = serde_json::from_str(&text).ok()?;
            value.get("id").and_then(serde_json::Value::as_str).map(str::to_owned)
        });
        ids.collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let installations = self.installations();
        for process in world::processes(self.path()) {
            world::kill(process.pid);
        }
        for installation in installations {
            world::remove_groups(&installation);
        }
    }
}

impl Run {
    /// The process, which leads its group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The run's folder, which its script knows as `$0`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until the command runs, and gives its environment.
    pub async fn environment(&mut self) -> BTreeMap<String, String> {
        let path = self.folder.join("env");
        world::eventually("the command runs", PATIENCE, async || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("it ended with {status}: {}", self.stderr());
            }
            fs::read_to_string(&path).ok()
        })
        .await
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    /// The command's process.
    pub fn command_pid(&self) -> u32 {
        let text = fs::read_to_string(self.folder.join("pid")).expect("the command has begun");
        text.trim().parse().expect("a number")
    }

    /// Lets a command go on that waits for `$0/go`.
    pub fn go_on(&self) {
        fs::write(self.folder.join("go"), "").expect("a file can be made");
    }

    /// Waits for the end, and gives the exit code.
    pub async fn ended(&mut self) -> i32 {
        let status = world::eventually("windlass run ends", PATIENCE, async || {
            self.child.try_wait().expect("a child can be looked at")
        })
        .await;
        status.code().unwrap_or(-1)
    }

    /// What the command said.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.folder.join("stdout")).unwrap_or_default()
    }

    /// What was said beside.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // It was running a moment ago, and its number is its own until it is waited for.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
