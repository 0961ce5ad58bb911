//! PutObject over the wire.
