use super::*;

#[test]
fn a_directory_has_one_resident() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut first = Resident::claim_attached(directory.path()).expect("the first claim");
    let refused = Resident::claim_attached(directory.path()).expect_err("the second claim");
    let ResidentError::AlreadyRunning { pid, .. } = refused else { panic!("{refused}") };
    assert_eq!(pid, Some(std::process::id()));
    first.announce([("p2p".to_owned(), 4000)].into(), BTreeMap::new()).expect("it announces");
    let bytes = fs::read(directory.path().join(layout::RUN)).expect("run.json");
    let run: RunRecord = serde_json::from_slice(&bytes).expect("run.json is a record");
    assert!(run.ready);
    assert_eq!(run.ports["p2p"], 4000);
    assert_eq!(run.start_time_ticks, first.record().start_time_ticks);
    drop(first);
    Resident::claim_attached(directory.path()).expect("a claim ends with its holder");
}

#[test]
fn a_claim_survives_a_glance_at_the_lock() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let glance = File::create(directory.path().join(layout::LOCK)).expect("the lock file");
    flock(&glance, FlockOperation::LockShared).expect("a shared lock");
    let path = directory.path().to_owned();
    let claim = std::thread::spawn(move || Resident::claim_attached(&path).map(drop));
    drop(glance);
    claim.join().expect("no panic").expect("the claim waits for the glance to end");
}

#[test]
fn a_claim_removes_the_last_exit_and_an_exit_leaves_its_own() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let exit = directory.path().join(layout::EXIT);
    fs::write(&exit, "{}").expect("a stale record");
    let resident = Resident::claim_attached(directory.path()).expect("the claim");
    assert!(!exit.exists());
    resident.exit(3, "told to").expect("it is written");
    let bytes = fs::read(&exit).expect("the record");
    let record: ExitRecord = serde_json::from_slice(&bytes).expect("it parses");
    assert_eq!((record.code, record.reason.as_str()), (Some(3), "told to"));
}

#[test]
fn the_log_is_rotated_and_bounded() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let limits = LogLimits { file_bytes: 100, rotated_files: 3 };
    let mut log = LogWriter::open(directory.path(), limits).expect("a log");
    for number in 0..100 {
        log.write_all(format!("line {number:03}\n").as_bytes()).expect("it is written");
        if number == 50 {
            log = LogWriter::open(directory.path(), limits).expect("it goes on after a restart");
        }
    }
    let mut names: Vec<_> = fs::read_dir(directory.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["current.log", "current.log.1", "current.log.2", "current.log.3"]);
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).expect("a log file");
    let all = ["current.log.3", "current.log.2", "current.log.1", "current.log"].map(read).concat();
    assert!(names.iter().all(|name| read(name).len() <= 100));
    let lines: Vec<_> = all.lines().collect();
    assert_eq!(lines.last(), Some(&"line 099"));
    let first: usize = lines[0].trim_start_matches("line ").parse().expect("a number");
    assert_eq!(lines.len(), 100 - first, "no line between the oldest and the newest is lost");
}

#[test]
fn start_times_tell_processes_apart() {
    let own = start_time_ticks(std::process::id()).expect("readable");
    assert!(own.is_some_and(|ticks| ticks > 0));
    assert_eq!(start_time_ticks(u32::MAX).expect("no such process is no error"), None);
}
