//! Users, groups, roles and managed policies, as the catalog keeps them: documents by tenant, account, kind
//! and name. The catalog does not know their content.

use super::Revision;
use crate::model::TenantId;

/// The address of a document. Kinds are short names; whoever keeps users decides what they mean.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IamKey {
    pub tenant: TenantId,
    /// The canonical id of the account.
    pub account: String,
    pub kind: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IamChange {
    /// Creates the document, or replaces it.
    Put(IamKey, String),
    Delete(IamKey),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IamDocument {
    pub key: IamKey,
    pub body: String,
    /// The revision of all these documents at the last change of this one.
    pub revision: Revision,
}

/// All documents, in the order of their addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IamDocuments {
    /// A number that grows with each change of any document.
    pub revision: Revision,
    pub all: Vec<IamDocument>,
}
