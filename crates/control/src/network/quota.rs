//! Whether an organization may have what it asks for: its quota, and what it has already.

use windlass_model::{ErrorCode, Problem, budget::Quota, error::Location};

/// What an organization has, as it would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) networks: u64,
    pub(crate) nodes: u64,
    pub(crate) memory_mib: u64,
    pub(crate) disk_mib: u64,
}

/// What grows with what is asked for: only that is held against the quota. Who has more than an operator
/// has come to allow keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grows {
    /// A network comes.
    Networks,
    /// Nodes come.
    Nodes,
    /// A network runs that did not.
    Running,
}

/// Refuses what is more than the quota.
pub(crate) fn check(quota: &Quota, total: Total, grows: Grows) -> Result<(), Box<Problem>> {
    let limits = [
        ("networks", "networks", quota.networks.map(u64::from), total.networks),
        ("nodes", "nodes", quota.nodes.map(u64::from), total.nodes),
        ("memory", "MiB of memory for what runs", quota.memory_mib, total.memory_mib),
        ("disk", "MiB on disk", quota.disk_mib, total.disk_mib),
    ];
    let skipped = match grows {
        Grows::Networks => 0,
        Grows::Nodes => 1,
        Grows::Running => 2,
    };
    for (word, what, limit, total) in limits.into_iter().skip(skipped) {
        let Some(limit) = limit.filter(|limit| total > *limit) else { continue };
        let location = Location { field: Some(word.to_owned()), ..Location::default() };
        let problem = Problem::new(
            ErrorCode::QuotaExceeded,
            format!("the organization may have {limit} {what}, and would have {total}"),
            format!(
                "destroy what is not needed, or have the operator raise it: windlass quota set \
                 --{word}; `windlass quota show` tells what is used"
            ),
        );
        return Err(Box::new(problem.at(location)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_grows_is_held_against_the_quota() {
        let quota = Quota {
            networks: Some(2),
            nodes: Some(8),
            memory_mib: Some(500),
            disk_mib: Some(100),
            ..Quota::UNLIMITED
        };
        let total = Total { networks: 2, nodes: 8, memory_mib: 500, disk_mib: 100 };
        assert_eq!(check(&quota, total, Grows::Networks), Ok(()));
        let refused = |total, grows| check(&quota, total, grows).map_err(|problem| problem.detail);
        let said = "the organization may have 2 networks, and would have 3".to_owned();
        assert_eq!(refused(Total { networks: 3, ..total }, Grows::Networks), Err(said));
        assert_eq!(refused(Total { networks: 3, ..total }, Grows::Nodes), Ok(()));
        assert_eq!(refused(Total { nodes: 9, ..total }, Grows::Running), Ok(()));
        for grows in [Grows::Networks, Grows::Nodes, Grows::Running] {
            let memory = refused(Total { memory_mib: 501, ..total }, grows).unwrap_err();
            assert!(memory.contains("500 MiB of memory") && memory.contains("501"), "{memory}");
            assert!(refused(Total { disk_mib: 101, ..total }, grows).is_err());
        }
        let none = Quota { networks: Some(0), ..Quota::UNLIMITED };
        let one = Total { networks: 1, ..Total::default() };
        let problem = check(&none, one, Grows::Networks).unwrap_err();
        assert_eq!(problem.code, ErrorCode::QuotaExceeded);
        assert!(problem.hint.contains("quota set --networks"), "{}", problem.hint);
        assert_eq!(check(&Quota::UNLIMITED, total, Grows::Networks), Ok(()));
    }
}
