//! Who may do what: one function, called by every handler.
//!
//! [`authorize`] gives a [`Granted`], and nothing else can: the service's methods take that proof
//! instead of a bare organization's id, so that a handler without the check doesn't compile.

use windlass_model::{ErrorCode, OrganizationId, Problem};

/// Who acts: a credential, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `token:cli`, `session:<id>`: stands in the audit log.
    pub id: String,
    /// The organizations that it may act for.
    pub organizations: Vec<OrganizationId>,
}

/// What somebody wants to do with an organization's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look.
    Read,
    /// Declare something new.
    Create,
    /// Change something: stop, start, apply.
    Change,
    /// Propose and vote for the members whose keys are held here.
    Govern,
    /// Leave nothing of something.
    Destroy,
    /// Act on the platform itself: login links, shutdown.
    Administer,
}

impl Action {
    /// The word in audit rows and errors.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Change => "change",
            Self::Govern => "govern",
            Self::Destroy => "destroy",
            Self::Administer => "administer",
        }
    }
}

/// The proof that an actor may do something in an organization. Only [`authorize`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    actor: String,
    action: Action,
    organization: OrganizationId,
}

impl Granted {
    /// Who acts.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// In which organization.
    pub fn organization(&self) -> &OrganizationId {
        &self.organization
    }

    /// The organization, if the proof is for this action; every proof allows reading.
    pub(crate) fn allows(&self, action: Action) -> Result<&OrganizationId, Box<Problem>> {
        if self.action == action || action == Action::Read {
            return Ok(&self.organization);
        }
        Err(forbidden(&self.actor, action, &self.organization))
    }
}

/// Decides whether the actor may do the action in the organization.
///
/// An organization that the actor doesn't belong to is answered like one that doesn't exist, so
/// that nobody learns of others' objects.
pub fn authorize(
    actor: &Actor,
    action: Action,
    organization: &OrganizationId,
) -> Result<Granted, Box<Problem>> {
    if !actor.organizations.contains(organization) {
        return Err(unknown_organization(organization.as_str()));
    }
    Ok(Granted { actor: actor.id.clone(), action, organization: organization.clone() })
}

fn forbidden(actor: &str, action: Action, organization: &OrganizationId) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::Forbidden,
        format!("{actor} may not {} in {organization}", action.as_str()),
        "use a credential that is allowed to do this",
    ))
}

/// There is no such organization, or none that the actor may know of.
pub(crate) fn unknown_organization(named: &str) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::OrganizationNotFound,
        format!("there is no organization `{named}`"),
        "`default` is the organization that every installation begins with",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_for_one_action_and_one_organization() {
        let ours = OrganizationId::from_entropy([1; 10]);
        let theirs = OrganizationId::from_entropy([2; 10]);
        let actor = Actor { id: "token:cli".to_owned(), organizations: vec![ours.clone()] };
        let granted = authorize(&actor, Action::Change, &ours).expect("it is the actor's own");
        assert_eq!(granted.allows(Action::Change).expect("as granted"), &ours);
        assert!(granted.allows(Action::Read).is_ok());
        let refused = granted.allows(Action::Destroy).expect_err("not granted");
        assert_eq!(refused.code, ErrorCode::Forbidden);
        let hidden = authorize(&actor, Action::Read, &theirs).expect_err("another's");
        assert_eq!(hidden.code, ErrorCode::OrganizationNotFound);
    }
}
