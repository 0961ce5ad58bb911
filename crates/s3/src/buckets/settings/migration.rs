//! The migration of the bucket to another backend, while it is under way and after it. No client sees it.

use super::DocumentKind;
use crate::backend::migration::{DOCUMENT, Migration};

#[derive(Debug)]
pub enum MigrationDocument {}

impl DocumentKind for MigrationDocument {
    type Value = Option<Migration>;
    const NAME: &'static str = DOCUMENT;

    fn parse(body: &str) -> Result<Option<Migration>, String> {
        Migration::parse(body).map(Some)
    }

    fn write(migration: &Option<Migration>) -> String {
        migration.as_ref().map(Migration::write).unwrap_or_default()
    }
}
