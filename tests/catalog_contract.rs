//! Every catalog driver against the one contract suite in `tests/catalog`, and what only one driver promises.

mod catalog;
