//! A platform of one's own: started in a temporary directory, killed and started again at will.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;
use windlass_model::{
    Problem,
    api::Accepted,
    network::{Network, Operation},
};

use crate::{
    Endpoint, Finished, Mount,
    tool::{binary, command, finish},
    world,
};

/// A platform and everything that it started.
#[derive(Debug)]
pub struct Platform {
    /// Held so that the directory goes last.
    folder: TempDir,
    /// The disk that it is on, if it has one of its own.
    pub mount: Option<Mount>,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// The same as its processes name it: other than seen from here only on a disk of its own.
    named: PathBuf,
    /// Where its API and console listen.
    pub url: String,
    /// The bearer token of its command line.
    pub token: String,
    /// More options of its `up`.
    options: Vec<String>,
    child: Option<Child>,
    client: reqwest::Client,
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code.
    pub code: i32,
    /// The result, parsed.
    pub result: Option<Value>,
    /// The error, if it failed.
    pub problem: Option<Problem>,
    /// What it was, in its own words.
    pub said: Finished,
}

impl Platform {
    /// Starts a platform in a new directory.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a platform in a new directory, with more options of `up`.
    pub async fn start_with(options: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("wl").tempdir().expect("a folder can be made");
        let data_dir = folder.path().join("d");
        Self::start_at(folder, None, (data_dir.clone(), data_dir), options).await
    }

    /// Starts a platform on a disk of its own.
    pub async fn start_on(mount: Mount) -> Self {
        let folder = tempfile::Builder::new().prefix("wl").tempdir().expect("a folder can be made");
        let named = mount.path().join("d");
        let data_dir = mount.seen(&named);
        Self::start_at(folder, Some(mount), (data_dir, named), &[]).await
    }

    async fn start_at(
        folder: TempDir,
        mount: Option<Mount>,
        (data_dir, named): (PathBuf, PathBuf),
        options: &[&str],
    ) -> Self {
        let mut platform = Self {
            folder,
            mount,
            data_dir,
            named,
            url: String::new(),
            token: String::new(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            child: None,
            client: reqwest::Client::new(),
        };
        platform.up().await;
        platform
    }

    /// Starts the platform again in the same directory.
    pub async fn up(&mut self) {
        let log = self.log_file();
        self.up_logging_to(&log).await;
    }

    /// Starts the platform again, with this file for its log.
    pub async fn up_logging_to(&mut self, log: &Path) {
        assert!(self.child.is_none(), "the platform runs already");
        let open = fs::OpenOptions::new().create(true).append(true).open(log);
        let log_file = open.expect("the log can be opened");
        let mut command = match &self.mount {
            Some(mount) => mount.command(&binary()),
            None => command(binary()),
        };
        command
            .args(["up", "--json", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&self.named)
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_file);
        let mut child = command.spawn().expect("the platform can be started");
        let announced = self.data_dir.join("platform.json");
        let pid = child.id();
        let data_dir = self.data_dir.clone();
        self.url = world::eventually("the platform listens", Duration::from_secs(30), async || {
            if let Ok(Some(status)) = child.try_wait() {
                let said = fs::read_to_string(log).unwrap_or_default();
                panic!("the platform ended at once, {status}:\n{said}");
            }
            let text = fs::read_to_string(&announced).ok()?;
            let value: Value = serde_json::from_str(&text).ok()?;
            let ours = value.get("pid")?.as_u64()? == u64::from(pid);
            ours.then(|| value.get("url").and_then(Value::as_str).map(str::to_owned))?
        })
        .await;
        self.child = Some(child);
        let token = fs::read_to_string(data_dir.join("token")).expect("the token is there");
        token.trim().clone_into(&mut self.token);
        world::eventually("the platform answers", Duration::from_secs(30), async || {
            self.api_if_up("GET", "/v1/status").await.filter(|status| *status == 200)
        })
        .await;
    }

    async fn api_if_up(&self, method: &str, path: &str) -> Option<u16> {
        let method = method.parse().expect("a method's name");
        let request = self.client.request(method, format!("{}{path}", self.url));
        Some(request.bearer_auth(&self.token).send().await.ok()?.status().as_u16())
    }

    /// The platform's process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the platform runs").id()
    }

    /// Ends the platform as a power cut would; what it started goes on.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the platform runs");
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
    }

    /// Kills the platform and starts it again.
    pub async fn crash(&mut self) {
        self.kill();
        self.up().await;
    }

    /// Waits for a platform that was told to end.
    pub async fn ended(&mut self) -> i32 {
        let mut child = self.child.take().expect("the platform runs");
        let status = world::eventually("the platform ends", Duration::from_mins(1), async || {
            child.try_wait().expect("a child can be looked at")
        })
        .await;
        status.code().unwrap_or(-1)
    }

    /// Runs a command, with `--json`.
    pub async fn cli(&self, arguments: &[&str]) -> Answer {
        let mut command = command(binary());
        command.args(arguments).arg("--json").arg("--data-dir").arg(&self.data_dir);
        let said = finish(command).await;
        Answer {
            code: said.code.unwrap_or(-1),
            result: serde_json::from_str(&said.stdout).ok(),
            problem: said.stderr.lines().find_map(|line| serde_json::from_str(line).ok()),
            said,
        }
    }

    /// Runs a command as a person would, without `--json`.
    pub async fn cli_text(&self, arguments: &[&str]) -> Finished {
        let mut command = command(binary());
        command.args(arguments).arg("--data-dir").arg(&self.data_dir);
        finish(command).await
    }

    /// Runs a command that must succeed and gives its result.
    pub async fn run<T: DeserializeOwned>(&self, arguments: &[&str]) -> T {
        let answer = self.cli(arguments).await;
        assert_eq!(answer.code, 0, "windlass {} failed: {:?}", arguments.join(" "), answer.said);
        let result = answer.result.unwrap_or_else(|| panic!("no JSON: {:?}", answer.said));
        serde_json::from_value(result.clone())
            .unwrap_or_else(|error| panic!("{}: {error}: {result}", arguments.join(" ")))
    }

    /// Runs a command that must be refused and gives the exit code and the problem.
    pub async fn refused(&self, arguments: &[&str]) -> (i32, Problem) {
        let answer = self.cli(arguments).await;
        assert_ne!(answer.code, 0, "windlass {} was not refused", arguments.join(" "));
        let problem = answer.problem.unwrap_or_else(|| panic!("no problem: {:?}", answer.said));
        (answer.code, problem)
    }

    /// Creates a network and waits until it is usable.
    pub async fn create(&self, name: &str, validators: u32) -> (Network, Operation) {
        let count = validators.to_string();
        let accepted: Accepted =
            self.run(&["network", "create", name, "--validators", &count]).await;
        (accepted.network, accepted.operation.expect("a create has an operation"))
    }

    /// Shows a network.
    pub async fn show(&self, name: &str) -> Network {
        self.run(&["network", "show", name]).await
    }

    /// Destroys a network and waits until it is gone.
    pub async fn destroy(&self, name: &str) -> Operation {
        let accepted: Accepted = self.run(&["network", "destroy", name, "-y"]).await;
        accepted.operation.expect("a destroy has an operation")
    }

    /// Waits until a network is as wished.
    pub async fn until(&self, name: &str, what: &str, is: impl Fn(&Network) -> bool) -> Network {
        world::eventually(&format!("{name}: {what}"), Duration::from_mins(1), async || {
            let answer = self.cli(&["network", "show", name]).await;
            let network: Network = serde_json::from_value(answer.result?).ok()?;
            is(&network).then_some(network)
        })
        .await
    }

    /// The endpoint of a network.
    pub fn endpoint(network: &Network) -> Endpoint {
        Endpoint::new(network.endpoint.as_ref().expect("the network has an endpoint"))
    }

    /// Sends a request to the API, with the token if one is given.
    pub async fn api(&self, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
        let method = method.parse().expect("a method's name");
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("the platform answers");
        let status = response.status().as_u16();
        (status, response.text().await.unwrap_or_default())
    }

    /// The node processes that live, by their pids.
    pub fn node_pids(&self) -> Vec<u32> {
        let found = world::processes(&self.named);
        found.iter().filter(|process| process.is("node")).map(|process| process.pid).collect()
    }

    /// What the platform wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("d.log")
    }

    /// The directory of a workload.
    pub fn workload(&self, id: &str) -> PathBuf {
        self.data_dir.join("workloads").join(id)
    }

    /// The id that the installation's control groups and labels carry.
    pub fn installation(&self) -> Option<String> {
        let text = fs::read_to_string(self.data_dir.join("installation.json")).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        value.get("id").and_then(Value::as_str).map(str::to_owned)
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            if child.kill().is_ok() {
                drop(child.wait());
            }
        }
        let installation = self.installation();
        for process in world::processes(&self.named) {
            world::kill(process.pid);
        }
        if let Some(installation) = installation {
            world::remove_groups(&installation);
        }
        if std::thread::panicking() {
            keep_logs(&self.data_dir, &self.log_file());
        }
    }
}

/// Keeps the logs of a failed test beside the other artifacts.
#[expect(clippy::disallowed_methods, reason = "the harness reads where artifacts go")]
fn keep_logs(data_dir: &Path, log: &Path) {
    let Ok(artifacts) = std::env::var("WINDLASS_ARTIFACTS") else { return };
    let name = log.parent().and_then(Path::file_name).unwrap_or_default();
    let folder = PathBuf::from(artifacts).join("failed").join(name);
    drop(fs::create_dir_all(&folder));
    drop(fs::copy(log, folder.join("platform.log")));
    for file in world::tree(&data_dir.join("workloads")) {
        if file.extension().is_some_and(|extension| extension == "log") {
            let flat =
                file.strip_prefix(data_dir).unwrap_or(&file).to_string_lossy().replace('/', "-");
            drop(fs::copy(&file, folder.join(flat)));
        }
    }
}
