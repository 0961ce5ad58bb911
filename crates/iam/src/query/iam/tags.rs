//! Tag, Untag and List of the tags of users, roles, managed policies and OpenID Connect providers.

use crate::{
    entity::{Entity, ManagedPolicy, OpenIdProvider, Role, User},
    names::{self, Tag},
    query::{
        action::On,
        error::QueryError,
        show,
        work::{Work, invalid_input},
    },
};

enum Tagged {
    User(User),
    Role(Role),
    Policy(ManagedPolicy),
    Provider(OpenIdProvider),
}

impl Tagged {
    fn find(work: &Work<'_>) -> Result<Self, QueryError> {
        Ok(match work.action.on {
            On::Role => Self::Role(work.role()?.data.clone()),
            On::Policy | On::NewPolicy => Self::Policy(work.own_policy()?.data.clone()),
            On::Provider | On::NewProvider => Self::Provider((**work.provider()?).clone()),
            On::All | On::User | On::AccessKey | On::Group => {
                work.needed("UserName")?;
                Self::User(work.user()?.data.clone())
            }
        })
    }

    fn tags(&mut self) -> &mut Vec<Tag> {
        match self {
            Self::User(user) => &mut user.tags,
            Self::Role(role) => &mut role.tags,
            Self::Policy(policy) => &mut policy.tags,
            Self::Provider(provider) => &mut provider.tags,
        }
    }

    fn entity(self) -> Entity {
        match self {
            Self::User(user) => Entity::User(user),
            Self::Role(role) => Entity::Role(role),
            Self::Policy(policy) => Entity::Policy(policy),
            Self::Provider(provider) => Entity::Provider(provider),
        }
    }
}

pub(in crate::query) fn tag(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (mut tagged, tags) = (Tagged::find(work)?, work.tags()?);
    names::merge_tags(tagged.tags(), tags).map_err(invalid_input)?;
    work.put(tagged.entity());
    Ok(())
}

pub(in crate::query) fn untag(work: &mut Work<'_>) -> Result<(), QueryError> {
    let mut tagged = Tagged::find(work)?;
    let keys = work.call.form.values("TagKeys");
    tagged.tags().retain(|tag| !keys.iter().any(|key| key.eq_ignore_ascii_case(&tag.key)));
    work.put(tagged.entity());
    Ok(())
}

pub(in crate::query) fn list(work: &mut Work<'_>) -> Result<(), QueryError> {
    let mut tagged = Tagged::find(work)?;
    let mut tags = std::mem::take(tagged.tags());
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    work.list("Tags", tags.into_iter().map(|tag| (tag.key.clone(), tag)), |w, tag| show::tag(w, &tag))
}
