//! What random operations have found, each shrunken and named.
