//! Runs the contract suite in `tests/catalog` on every catalog driver, and tests what only one driver
//! promises.

mod catalog;
