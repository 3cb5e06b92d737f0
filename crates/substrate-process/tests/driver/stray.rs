//! Directories that are taken from under running processes.

use std::fs;

use windlass_substrate::{ReleasedKind, Substrate, resident::layout};

use crate::{World, processes_under, workload};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_its_directory_is_ended_before_another_one_starts() {
    let world = World::new().await;
    let workload = workload("stray");
    let directory = world.directory(&workload.id);
    let aside = world.root.path().join("aside");
    let takings: [&dyn Fn(); 3] = [
        &|| fs::remove_dir_all(&directory).expect("it can be removed"),
        &|| fs::remove_file(directory.join(layout::LOCK)).expect("it can be removed"),
        &|| fs::rename(&directory, &aside).expect("it can be moved"),
    ];
    for take in takings {
        let first = world.substrate.ensure(&workload).await.expect("it starts").pid();
        take();
        let second = world.substrate.ensure(&workload).await.expect("it starts").pid();
        assert!(first.is_some() && second.is_some() && first != second);
        assert_eq!(processes_under(world.root.path()), Vec::from_iter(second));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_ends_the_process_although_its_directory_is_gone() {
    let world = World::new().await;
    let workload = workload("stray");
    let pid = world.substrate.ensure(&workload).await.expect("it starts").pid();
    let pid = format!("pid {}", pid.expect("it runs"));
    fs::remove_dir_all(world.directory(&workload.id)).expect("it can be removed");
    let removal = world.substrate.remove(&workload.id).await.expect("it is removed");
    let released = |kind| removal.released.iter().filter(move |line| line.kind == kind);
    assert!(released(ReleasedKind::Process).any(|line| line.name == pid), "{removal:?}");
    assert_eq!(processes_under(world.root.path()), Vec::<u32>::new());
    let again = world.substrate.remove(&workload.id).await.expect("absent is success");
    assert_eq!(again.released, Vec::new());
}
