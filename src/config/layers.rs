//! Settings that backends of every type have: what is stacked upon their drivers.

use super::{
    error::ConfigError,
    section::{Reader, Row, Section, section},
    value::Setting,
};

section! {
    /// Of a backend of any type.
    Layers {}
}
