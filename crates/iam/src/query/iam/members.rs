//! AddUserToGroup, RemoveUserFromGroup, ListGroupsForUser.

use crate::{
    entity::Entity,
    names::fold,
    query::{
        error::QueryError,
        show,
        work::{Work, no_such, too_many},
    },
};

pub(super) const MOST: usize = 10;

pub(in crate::query) fn add(work: &mut Work<'_>) -> Result<(), QueryError> {
    work.needed("UserName")?;
    let (group, mut user) = (fold(&work.group()?.data.name), work.user()?.data.clone());
    if user.groups.insert(group) {
        if user.groups.len() > MOST {
            return Err(too_many("GroupsPerUser", MOST));
        }
        work.put(Entity::User(user));
    }
    Ok(())
}

pub(in crate::query) fn remove(work: &mut Work<'_>) -> Result<(), QueryError> {
    let name = work.needed("UserName")?;
    let (group, mut user) = (fold(&work.group()?.data.name), work.user()?.data.clone());
    if !user.groups.remove(&group) {
        return Err(no_such("user", name));
    }
    work.put(Entity::User(user));
    Ok(())
}

pub(in crate::query) fn groups_of(work: &mut Work<'_>) -> Result<(), QueryError> {
    work.needed("UserName")?;
    let (user, account, id) = (work.user()?, work.account(), work.account_id.clone());
    let groups = user.data.groups.iter().filter_map(|name| Some((name.clone(), account.groups.get(name)?)));
    work.list("Groups", groups, |w, group| show::group(w, &id, &group.data))
}
