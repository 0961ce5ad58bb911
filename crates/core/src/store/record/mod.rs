//! The record of an object: what storages keep of it beside its bytes, and the forms in which they do.
//!
//! [`ObjectRecord`] is the one type, and `fields` the one list of its fields. Drivers and layers that store
//! records write the object's fields with [`Stored`], or field by field, and add what is their own: where
//! the bytes are, and how they know them again. So a field that is added here is kept by all of them.
//!
//! | file | what it owns |
//! |---|---|
//! | `object` | the type, and what is known of an object by it |
//! | `parts` | the short form of the parts of a multipart object |
//! | `fields` | the names of the fields, and which are left out |
//! | `stored` | records as JSON, with the fields of a storage among them |

mod fields;
mod object;
mod parts;
mod stored;

pub use fields::Field;
pub use object::ObjectRecord;
pub use parts::Parts;
pub use stored::{Form, Slot, Stored};
