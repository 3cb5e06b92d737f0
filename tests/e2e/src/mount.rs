//! A small disk of one's own: a `tmpfs` in a mount namespace that nobody else sees and that is gone
//! with its last process.
//!
//! Root makes the namespace as it is; anybody else makes it within a user namespace. Where neither
//! is permitted there is no disk: [`Mount::new`] says so loudly, and fails under `CI=true`.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{Finished, tool};

const FILLER: &str = "filler";

/// A disk.
#[derive(Debug)]
pub struct Mount {
    folder: TempDir,
    /// Keeps the namespace until its standard input ends, at the latest with the test.
    keeper: Child,
    user_namespace: bool,
}

impl Mount {
    /// A disk of so many KiB. `None` where this machine permits no mount.
    pub fn new(kilobytes: u64) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("wl").tempdir().expect("a folder can be made");
        let user_namespace = !rustix::process::geteuid().is_root();
        let flags = if user_namespace { "-rm" } else { "-m" };
        let script =
            "mount -t tmpfs -o mode=700,size=$1k windlass-test \"$2\" && echo mounted; cat";
        let mut command = tool::command("unshare");
        command.args([flags, "sh", "-c", script, "sh", &kilobytes.to_string()]).arg(folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut keeper = command.spawn().expect("unshare is there: it belongs to util-linux");
        let mut said = String::new();
        let stdout = keeper.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut said).expect("its output can be read");
        let mount = Self { folder, keeper, user_namespace };
        if said.trim() == "mounted" {
            return Some(mount);
        }
        mount.complain();
        None
    }

    #[expect(clippy::disallowed_methods, reason = "the harness reads whether it runs in CI")]
    fn complain(mut self) {
        drop(self.keeper.stdin.take());
        let mut why = String::new();
        if let Some(mut stderr) = self.keeper.stderr.take() {
            // What can't be read can't be told.
            drop(stderr.read_to_string(&mut why));
        }
        let text = format!("NOT TESTED: this machine permits no mount: {}\n", why.trim());
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!ci, "{text}");
        // Around the capture of tests that pass.
        drop(std::io::stderr().write_all(text.as_bytes()));
    }

    /// The disk's folder, as its processes name it.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path on the disk, as everybody else reaches it.
    pub fn seen(&self, path: &Path) -> PathBuf {
        let below = path.strip_prefix("/").expect("paths on the disk are absolute");
        Path::new("/proc").join(self.keeper.id().to_string()).join("root").join(below)
    }

    /// A command that runs where the disk is mounted.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = tool::command("nsenter");
        command.args(["-t", &self.keeper.id().to_string(), "-m"]);
        if self.user_namespace {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }

    /// Runs `windlass` to its end where the disk is mounted.
    pub async fn windlass(&self, arguments: &[&str]) -> Finished {
        let mut command = self.command(&tool::binary());
        command.args(arguments);
        tool::finish(command).await
    }

    /// Mounts the disk anew with other options, such as `ro` or `size=64k`.
    pub async fn remount(&self, options: &str) {
        let mut command = self.command(Path::new("mount"));
        command.args(["-o", &format!("remount,{options}")]).arg(self.path());
        let said = tool::finish(command).await;
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    /// Fills the disk but for so many KiB.
    pub fn fill(&self, but_kilobytes: u64) {
        let path = self.seen(&self.path().join(FILLER));
        let mut file = File::options().create(true).append(true).open(&path).expect("it opens");
        let block = [0; 4096];
        loop {
            match file.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("the disk cannot be filled: {error}"),
            }
        }
        let length = file.metadata().expect("it is there").len();
        file.set_len(length.saturating_sub(but_kilobytes * 1024)).expect("it can be cut");
    }

    /// Gives the space back that [`Mount::fill`] took.
    pub fn free(&self) {
        let path = self.seen(&self.path().join(FILLER));
        fs::remove_file(path).expect("the disk was filled");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // It ends with its input; if not, the kill is needed.
        if self.keeper.kill().is_ok() {
            drop(self.keeper.wait());
        }
    }
}
