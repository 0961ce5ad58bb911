//! Servers that accept every connection, send at most a greeting, and nothing more.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
};

/// Sends `greeting` to each client, reads its requests, and never answers. The server ends with the process.
pub fn silent(greeting: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let _ = stream.write_all(greeting.as_bytes());
                let mut buffer = [0; 1024];
                while let Ok(1..) = stream.read(&mut buffer) {}
            });
        }
    });
    address
}
