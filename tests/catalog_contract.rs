//! Every catalog driver against the one contract suite in `tests/catalog`, and what only one driver promises.

mod catalog;

mod sqlite {
    use causeway::{
        catalog::{Catalog, sqlite::SqliteCatalog},
        store::Durability,
    };
    use std::sync::Arc;
    use tempfile::TempDir;

    fn fresh() -> (Arc<dyn Catalog>, TempDir) {
        let dir = TempDir::new().expect("a directory");
        let catalog = SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("opens");
        (Arc::new(catalog), dir)
    }

    crate::catalog::contract!(fresh);
}
