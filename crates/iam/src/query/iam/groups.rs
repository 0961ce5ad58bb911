//! CreateGroup, GetGroup, ListGroups, UpdateGroup, DeleteGroup.

use crate::{
    entity::{Entity, Group, Kind},
    names::{self, GROUP_NAME, fold},
    query::{
        error::{Code, QueryError},
        show::{self, Detail},
        work::{Work, exists, too_many},
    },
    random::IdOf,
};

pub(super) const MOST: usize = 300;

pub(in crate::query) fn create(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (name, path) = (work.needed("GroupName")?, work.path()?);
    names::check_name("groupName", name, GROUP_NAME).map_err(QueryError::invalid)?;
    if work.account().groups.contains_key(&fold(name)) {
        return Err(exists("Group", name));
    }
    if work.account().groups.len() >= MOST {
        return Err(too_many("GroupsPerAccount", MOST));
    }
    let group = Group {
        name: name.to_owned(),
        id: IdOf::Group.fresh()?,
        path: path.to_owned(),
        created: work.now(),
        policies: Default::default(),
    };
    let account = work.account_id.clone();
    work.out.element("Group", |w| show::group(w, &account, &group));
    work.put(Entity::Group(group));
    Ok(())
}

pub(in crate::query) fn get(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (group, account, id) = (work.group()?, work.account(), work.account_id.clone());
    work.out.element("Group", |w| show::group(w, &id, &group.data));
    let key = fold(&group.data.name);
    let users = account.members_of(&key).map(|user| (fold(&user.data.name), user));
    work.list("Users", users, |w, user| show::user(w, &id, &user.data, Detail::Listed))
}

pub(in crate::query) fn list(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (account, prefix, id) = (work.account(), work.path_prefix(), work.account_id.clone());
    let groups = account.groups.iter().filter(|(_, group)| group.data.path.starts_with(prefix));
    work.list("Groups", groups.map(|(key, group)| (key.clone(), group)), |w, group| {
        show::group(w, &id, &group.data);
    })
}

pub(in crate::query) fn update(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (mut group, account) = (work.group()?.data.clone(), work.account());
    let old = fold(&group.name);
    if let Some(path) = work.parameter("NewPath") {
        names::check_path(path).map_err(QueryError::invalid)?;
        group.path = path.to_owned();
    }
    if let Some(name) = work.parameter("NewGroupName") {
        names::check_name("newGroupName", name, GROUP_NAME).map_err(QueryError::invalid)?;
        if fold(name) != old && account.groups.contains_key(&fold(name)) {
            return Err(exists("Group", name));
        }
        group.name = name.to_owned();
    }
    let new = fold(&group.name);
    if new != old {
        work.delete(Kind::Group, &old);
        for user in account.members_of(&old) {
            let mut user = user.data.clone();
            user.groups.remove(&old);
            user.groups.insert(new.clone());
            work.put(Entity::User(user));
        }
    }
    work.put(Entity::Group(group));
    Ok(())
}

pub(in crate::query) fn delete(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (group, account) = (&work.group()?.data, work.account());
    let conflicts = [
        (account.members_of(&fold(&group.name)).next().is_some(), "must remove users from group first"),
        (!group.policies.attached.is_empty(), "must detach all policies first"),
        (!group.policies.inline.is_empty(), "must delete policies first"),
    ];
    if let Some((_, why)) = conflicts.iter().find(|(is_there, _)| *is_there) {
        return Err(QueryError::new(Code::DeleteConflict, format!("Cannot delete entity, {why}.")));
    }
    work.delete(Kind::Group, &group.name);
    Ok(())
}
