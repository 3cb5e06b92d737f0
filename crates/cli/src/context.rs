//! Which platform a command talks to.
//!
//! In this order: `--url` (or `$WINDLASS_URL`), `--context`, `--data-dir`, the context in use, the
//! default data directory. A data directory is believed only while its lock is held: `platform.json`
//! of a platform that is gone may name a port that another program has by now, and that program
//! must not be sent the token.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::Path,
};

use serde::{Deserialize, Serialize};
use windlass_model::{ErrorCode, Name};

use crate::{
    args::Global,
    environment::{self, Outcome, problem},
    files,
    up::directory::{LOCK, PLATFORM, TOKEN},
};

/// A platform, and what opens it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Platform {
    /// Where its API is.
    pub(crate) url: String,
    /// Its token.
    pub(crate) token: String,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a running platform says of itself in its data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlatformFile {
    /// Its process.
    pub(crate) pid: u32,
    /// Where API and console are.
    pub(crate) url: String,
    /// Where the networks' endpoints are, once the gateway listens.
    pub(crate) gateway_url: Option<String>,
    /// The program's version.
    pub(crate) version: String,
}

/// The platforms that have names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The one in use.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) current: Option<String>,
    /// All of them.
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Platform>,
}

impl Contexts {
    /// Reads the file; one that is absent has no names.
    pub(crate) fn load(path: &Path) -> Outcome<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(path, &error)),
        };
        toml::from_str(&text).map_err(|error: toml::de::Error| {
            problem(
                ErrorCode::InvalidRequest,
                format!("{} is not valid: {}", path.display(), error.message()),
                "correct the file, or remove it and add the contexts again",
            )
        })
    }

    /// Writes the file, for its user only.
    pub(crate) fn save(&self, path: &Path) -> Outcome<()> {
        let text = toml::to_string(self).expect("contexts are plain data with string keys");
        let folder = path.parent().unwrap_or(Path::new("."));
        files::private_folder(folder)
            .and_then(|()| files::replace_private(path, text.as_bytes()))
            .map_err(|error| {
                problem(
                    ErrorCode::InvalidRequest,
                    format!("cannot write {}: {error}", path.display()),
                    "make its directory writable for you",
                )
            })
    }

    /// One by its name.
    pub(crate) fn get(&self, name: &str) -> Outcome<&Platform> {
        self.contexts.get(name).ok_or_else(|| {
            problem(
                ErrorCode::InvalidRequest,
                format!("there is no context `{name}`"),
                "`windlass context ls` lists them; `windlass context add` adds one",
            )
        })
    }

    /// Adds or replaces one, and uses it if it is the first.
    pub(crate) fn add(&mut self, name: &str, platform: Platform) -> Outcome<()> {
        if let Err(error) = name.parse::<Name>() {
            return Err(problem(
                ErrorCode::InvalidName,
                error.to_string(),
                "choose a name such as `staging`",
            ));
        }
        self.contexts.insert(name.to_owned(), platform);
        self.current.get_or_insert_with(|| name.to_owned());
        Ok(())
    }

    /// Forgets one.
    pub(crate) fn remove(&mut self, name: &str) -> Outcome<()> {
        self.get(name)?;
        self.contexts.remove(name);
        if self.current.as_deref() == Some(name) {
            self.current = None;
        }
        Ok(())
    }
}

/// Whether a platform of this machine has not yet taken back what it said of itself, which it does
/// last of all.
pub(crate) fn is_announced(data_dir: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(data_dir.join(PLATFORM)).unwrap_or_default();
    let said = serde_json::from_str::<PlatformFile>(&text);
    said.is_ok_and(|platform| platform.pid == pid) && Path::new(&format!("/proc/{pid}")).exists()
}

/// Finds the platform that a command is for.
pub(crate) fn find(global: &Global) -> Outcome<Platform> {
    if let Some(url) = &global.url {
        return by_url(global, url);
    }
    if let Some(name) = &global.context {
        return Contexts::load(&environment::contexts_file()?)?.get(name).cloned();
    }
    if let Some(directory) = &global.data_dir {
        return in_directory(directory);
    }
    let contexts = Contexts::load(&environment::contexts_file()?)?;
    match &contexts.current {
        Some(name) => contexts.get(name).cloned(),
        None => in_directory(&environment::default_data_dir()?),
    }
}

/// The token that comes with a URL.
pub(crate) fn given_token(global: &Global) -> Outcome<Option<String>> {
    match &global.token_file {
        Some(path) => read_token(path).map(Some),
        None => Ok(environment::token()),
    }
}

fn by_url(global: &Global, url: &str) -> Outcome<Platform> {
    let url = check_url(url)?;
    if let Some(token) = given_token(global)? {
        return Ok(Platform { url, token });
    }
    // The URL of the platform of this data directory needs no other token than the one in it.
    let directory = match &global.data_dir {
        Some(directory) => directory.clone(),
        None => environment::default_data_dir()?,
    };
    match in_directory(&directory) {
        Ok(platform) if platform.url == url => Ok(platform),
        Ok(_) | Err(_) => Err(problem(
            ErrorCode::Unauthenticated,
            format!("no token is known for {url}"),
            "name a file that holds it with --token-file, or set WINDLASS_TOKEN",
        )),
    }
}

/// Checks a platform's URL and takes the slash off its end.
pub(crate) fn check_url(url: &str) -> Outcome<String> {
    let trimmed = url.trim().trim_end_matches('/');
    let fits = reqwest::Url::parse(trimmed)
        .is_ok_and(|parsed| matches!(parsed.scheme(), "http" | "https") && parsed.host().is_some());
    if fits {
        return Ok(trimmed.to_owned());
    }
    Err(problem(
        ErrorCode::InvalidRequest,
        format!("`{url}` is not the URL of a platform"),
        "a URL looks like http://127.0.0.1:7300",
    ))
}

/// Reads the platform that runs on a data directory.
pub(crate) fn in_directory(directory: &Path) -> Outcome<Platform> {
    let path = directory.join(PLATFORM);
    let text = match fs::read_to_string(&path) {
        Ok(text) if is_held(&directory.join(LOCK)) => text,
        Ok(_) => return Err(not_running(directory)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(not_running(directory));
        }
        Err(error) => return Err(unreadable(&path, &error)),
    };
    let platform: PlatformFile = serde_json::from_str(&text).map_err(|error| {
        problem(
            ErrorCode::DataDirectoryUnusable,
            format!("{} is not valid: {error}", path.display()),
            "restart the platform: it writes the file again",
        )
    })?;
    Ok(Platform { url: platform.url, token: read_token(&directory.join(TOKEN))? })
}

/// Whether some process holds the lock.
pub(crate) fn is_held(lock: &Path) -> bool {
    let Ok(file) = File::open(lock) else { return false };
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared).is_err()
}

fn read_token(path: &Path) -> Outcome<String> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Ok(text.trim().to_owned())
}

fn not_running(directory: &Path) -> Box<windlass_model::Problem> {
    let running = running_workloads(directory);
    let detail = match running {
        0 => format!("no platform runs on {}", directory.display()),
        1 => format!("no platform runs on {}; one process of it goes on", directory.display()),
        _ => {
            format!("no platform runs on {}; {running} processes of it go on", directory.display())
        }
    };
    problem(
        ErrorCode::PlatformNotRunning,
        detail,
        "start it with `windlass up`, or name another one with --data-dir, --url or --context",
    )
}

/// How many nodes and gateways of a data directory run, by the locks that they hold.
pub(crate) fn running_workloads(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory.join("workloads")) else { return 0 };
    entries.flatten().filter(|entry| is_held(&entry.path().join("lock"))).count()
}

fn unreadable(path: &Path, error: &io::Error) -> Box<windlass_model::Problem> {
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorCode::Forbidden,
        _ => ErrorCode::InvalidRequest,
    };
    problem(
        code,
        format!("cannot read {}: {error}", path.display()),
        "check the path, and that the file is yours to read",
    )
}
