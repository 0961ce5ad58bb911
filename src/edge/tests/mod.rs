//! Whole requests through the edge.
