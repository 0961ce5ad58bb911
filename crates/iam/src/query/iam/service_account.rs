//! Service accounts: access keys of a user that programs use. Such a key has a name and may have a policy,
//! which narrows what the user may do and never adds to it.
//!
//! Owns what calls say about them, and the expiry of any access key.

use crate::{
    entity::{Key, ServiceAccount},
    model::Timestamp,
    names::{self, USER_NAME},
    policy::Policy,
    query::{
        error::{Code, QueryError},
        show,
        work::Work,
    },
    xml::Writer,
};

/// How many a user may have.
pub(super) const MOST: usize = 100;
/// The longest policy, as that of a session, and the longest description.
const LONGEST_POLICY: usize = 2048;
const LONGEST_DESCRIPTION: usize = 256;

/// The service account that a creation names. `None`: it is a usual access key.
pub(super) fn new(work: &Work<'_>) -> Result<Option<ServiceAccount>, QueryError> {
    let Some(name) = work.parameter("ServiceAccountName") else {
        let other = ["Description", "PolicyDocument"].into_iter().find(|name| work.parameter(name).is_some());
        return match other {
            None => Ok(None),
            Some(other) => {
                Err(QueryError::invalid(format!("{other} is for service accounts: give ServiceAccountName")))
            }
        };
    };
    names::check_name("serviceAccountName", name, USER_NAME).map_err(QueryError::invalid)?;
    let (description, policy) = (description(work)?.flatten(), policy(work)?.flatten());
    Ok(Some(ServiceAccount { name: name.to_owned(), description, policy }))
}

/// What a call changes. An inner `None` removes the value.
pub(super) struct Changes {
    description: Option<Option<String>>,
    policy: Option<Option<String>>,
    expires: Option<Option<Timestamp>>,
}

impl Changes {
    pub(super) fn of(work: &Work<'_>) -> Result<Self, QueryError> {
        Ok(Self { description: description(work)?, policy: policy(work)?, expires: expiry(work)? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.description.is_none() && self.policy.is_none() && self.expires.is_none()
    }

    pub(super) fn make(self, key: &mut Key) -> Result<(), QueryError> {
        if let Some(expires) = self.expires {
            key.expires = expires;
        }
        if self.description.is_none() && self.policy.is_none() {
            return Ok(());
        }
        let Some(service) = &mut key.service else {
            let message = "The access key is none of a service account: it has no description and no policy";
            return Err(QueryError::invalid(message));
        };
        if let Some(description) = self.description {
            service.description = description;
        }
        if let Some(policy) = self.policy {
            service.policy = policy;
        }
        Ok(())
    }
}

/// The time from which an access key opens nothing any more. `never` removes it.
pub(super) fn expiry(work: &Work<'_>) -> Result<Option<Option<Timestamp>>, QueryError> {
    let at = match work.parameter("Expires") {
        None => return Ok(None),
        Some("never") => return Ok(Some(None)),
        Some(text) => Timestamp::parse_day_or_time(text),
    };
    match at {
        Some(at) if at > work.now() => Ok(Some(Some(at))),
        Some(_) => Err(QueryError::invalid("Expires must be in the future")),
        None => {
            Err(QueryError::invalid("Expires must be a time such as 2030-01-31T12:00:00Z, a day, or never"))
        }
    }
}

fn description(work: &Work<'_>) -> Result<Option<Option<String>>, QueryError> {
    let Some(text) = work.parameter("Description") else { return Ok(None) };
    if text.chars().count() > LONGEST_DESCRIPTION || text.chars().any(char::is_control) {
        return Err(QueryError::invalid(format!(
            "Description must have at most {LONGEST_DESCRIPTION} characters, and none that controls a terminal"
        )));
    }
    Ok(Some((!text.is_empty()).then(|| text.to_owned())))
}

fn policy(work: &Work<'_>) -> Result<Option<Option<String>>, QueryError> {
    let Some(text) = work.parameter("PolicyDocument") else { return Ok(None) };
    if text.is_empty() {
        return Ok(Some(None));
    }
    if text.chars().count() > LONGEST_POLICY {
        let message = format!("PolicyDocument must have at most {LONGEST_POLICY} characters");
        return Err(QueryError::new(Code::LimitExceeded, message));
    }
    Policy::identity(text)
        .map_err(|error| QueryError::new(Code::MalformedPolicyDocument, error.to_string()))?;
    Ok(Some(Some(text.to_owned())))
}

/// What AWS's access keys do not have.
pub(super) fn show(w: &mut Writer, key: &Key) {
    if let Some(expires) = key.expires {
        w.text("Expires", names::shown(expires));
    }
    if let Some(previous) = &key.previous {
        w.text("PreviousSecretUntil", names::shown(previous.until));
    }
    let Some(service) = &key.service else { return };
    w.text("ServiceAccountName", &service.name);
    if let Some(description) = &service.description {
        w.text("Description", description);
    }
    if let Some(policy) = &service.policy {
        w.text("PolicyDocument", show::document(policy));
    }
}
