//! What is particular to FTP.
