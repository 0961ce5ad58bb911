//! GetAccessKeyLastUsed: of the keys of users, and of the account itself.

use super::keys::no_such_key;
use crate::{
    names,
    query::{error::QueryError, work::Work},
};

pub(in crate::query) fn get(work: &mut Work<'_>) -> Result<(), QueryError> {
    let id = work.needed("AccessKeyId")?;
    let name = match work.holder_of_key(id).ok_or_else(|| no_such_key(id))? {
        Some(user) => user.data.name.clone(),
        None => work.caller()?.owner.display_name.to_string(),
    };
    let (used, region) = (work.directory.uses().last(id), work.region);
    work.out.text("UserName", name);
    work.out.element("AccessKeyLastUsed", |w| match used {
        Some(used) => {
            w.text("LastUsedDate", names::shown(used.at));
            w.text("ServiceName", used.service);
            w.text("Region", region);
        }
        // As AWS shows a key that was never used.
        None => {
            w.text("ServiceName", "N/A");
            w.text("Region", "N/A");
        }
    });
    Ok(())
}
