//! The tour in the README does what it says.

use std::fs;

use windlass_e2e::{Platform, root};

#[tokio::test]
async fn the_readme_is_true() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let (_, from) = readme.split_once("<!-- tour").expect("the tour is marked");
    let (_, from) = from.split_once("```sh\n").expect("the tour is a block");
    let (tour, _) = from.split_once("```").expect("the block ends");
    let platform = Platform::start().await;
    let mut commands = 0;
    for line in tour.lines() {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let (program, arguments) = arguments.split_first().expect("no line is empty");
        assert_eq!(*program, "windlass", "the tour has only our own commands: {line}");
        let said = platform.cli_text(arguments).await;
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
        assert!(!said.stdout.trim().is_empty(), "{line} says something");
        commands += 1;
    }
    assert!(commands >= 5, "the tour was found");
}
