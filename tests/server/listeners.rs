//! Sockets, the data directory and the address file.

use super::process::{Place, connect, read_all};
use std::{io::Write, net::TcpListener};

fn greets(address: std::net::SocketAddr) -> bool {
    let mut stream = connect(address);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
    read_all(&mut stream).starts_with("HTTP/1.1 403 ")
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let place = Place::new();
    let first = place.serve(&["--data", "d"], &[]);
    let second =
        place.run(&["serve", "--data", "d", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"], &[]);
    assert_eq!(second.code, Some(1));
    assert!(
        second.err.contains("the data directory d is in use by another server (process "),
        "{}",
        second.err
    );
    assert!(greets(first.s3));
}

#[test]
fn a_port_that_is_taken_stops_everything_before_the_data_directory_is_made() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let ended =
        place.run(&["serve", "--data", "d", "--listen", &address, "--admin-listen", "127.0.0.1:0"], &[]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains(&format!("listening on {address}: ")), "{}", ended.err);
    assert!(place.names().is_empty());
}

#[test]
fn several_addresses_and_ipv6_are_served() {
    let place = Place::new();
    let server = place.serve(&["--data", "d", "--listen", "[::1]:0", "--listen", "127.0.0.1:0"], &[]);
    let out = place.read("stdout");
    let listening: Vec<std::net::SocketAddr> =
        out.lines().filter_map(|line| line.strip_prefix("listening on http://")?.parse().ok()).collect();
    assert_eq!(listening.len(), 2, "{out}");
    assert!(listening[0].is_ipv6() && listening[1].is_ipv4());
    assert_eq!(server.s3, listening[0], "the address file has the first");
    assert!(listening.into_iter().all(greets));
}

#[test]
fn an_ipv6_wildcard_takes_ipv4_too_unless_that_is_listed() {
    let place = Place::new();
    let server = place.serve(&["--data", "d", "--listen", "[::]:0"], &[]);
    assert!(greets(([127, 0, 0, 1], server.s3.port()).into()));
    let port = server.s3.port();
    drop(server);
    let both = [format!("[::]:{port}"), format!("0.0.0.0:{port}")];
    let server = place.serve(&["--data", "d", "--listen", &both[0], "--listen", &both[1]], &[]);
    assert!(greets(([127, 0, 0, 1], port).into()) && greets((std::net::Ipv6Addr::LOCALHOST, port).into()));
    drop(server);
}

#[test]
fn a_name_is_resolved_and_a_port_alone_is_served_on_every_address() {
    for listen in ["localhost:0", ":0", "0"] {
        let place = Place::new();
        let server = place.serve(&["--data", "d", "--listen", listen], &[]);
        assert!(
            greets(([127, 0, 0, 1], server.s3.port()).into())
                || greets((std::net::Ipv6Addr::LOCALHOST, server.s3.port()).into())
        );
        if listen != "localhost:0" {
            assert!(
                server.s3.ip().is_unspecified() && greets(([127, 0, 0, 1], server.s3.port()).into()),
                "{listen}"
            );
        }
    }
    let place = Place::new();
    let ended = place.run(
        &["serve", "--data", "d", "--listen", "no-such-host.invalid:0", "--admin-listen", "127.0.0.1:0"],
        &[],
    );
    assert!(ended.failed(1).contains("listening on no-such-host.invalid:0: "));
    assert!(place.names().is_empty(), "nothing was made");
}

#[test]
fn a_port_alone_is_taken_from_the_environment_and_the_configuration_too() {
    let place = Place::new();
    place.write("causeway.toml", "[server]\nlisten = 9000\nadmin_listen = ['localhost:9001', ':9002']\n");
    let check = |environment: &[(&str, &str)]| {
        place.run(&["config", "check", "--config", "causeway.toml"], environment).succeeded()
    };
    let shown = check(&[]);
    assert!(
        shown.contains("\nlisten = \":9000\"\n")
            && shown.contains("admin_listen = [\"localhost:9001\", \":9002\"]"),
        "{shown}"
    );
    assert!(
        check(&[("CAUSEWAY__SERVER__LISTEN", "9003,[::1]:9004")])
            .contains("listen = [\":9003\", \"[::1]:9004\"]")
    );
}
