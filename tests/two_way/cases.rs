//! What single runs do, told one by one.
