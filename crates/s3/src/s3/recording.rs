//! Keeps decisions that were carried out, for operators who ask about them.

use super::{
    action::Action,
    asker::Asker,
    decisions::{Decided, Of, Why},
    resource::Resource,
};
use std::sync::Arc;

pub(super) fn keep(asker: &Asker<'_>, action: Action, resource: Resource<'_>, is_allowed: bool, why: Why) {
    let context = asker.context;
    let Some(gateway) = &context.gateway else { return };
    let of = Of {
        request: &context.arrival.id.0,
        at: context.arrival.at,
        identity: context.principal.identity().map(Arc::as_ref),
        operation: context.operation,
    };
    gateway.decisions.keep(Decided::new(&of, action, resource, is_allowed, why));
}
