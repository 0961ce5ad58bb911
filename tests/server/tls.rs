//! TLS: both protocols by ALPN, and certificates that change while the server runs.

use super::{
    h2,
    process::{Place, Running, read_all, within},
};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName};
use std::{io::Write, net::TcpStream, sync::Arc};

/// Writes a new certificate to `c.pem` and `k.pem`.
pub fn certify(place: &Place) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    place.write("c.pem", &made.cert.pem()).write("k.pem", &made.signing_key.serialize_pem());
    made.cert.der().clone()
}

/// Connects, and fails unless the server shows this very certificate.
pub fn connect(
    server: &Running,
    certificate: &CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    connect_over(server.connect(), certificate, protocols)
}

/// The same over this connection.
pub fn connect_over(
    mut stream: TcpStream,
    certificate: &CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

fn serve(place: &Place) -> Running {
    place.write("causeway.toml", "[server]\ntls_cert = 'c.pem'\ntls_key = 'k.pem'\n");
    place.serve(&["--data", "d"], &[])
}

#[test]
fn both_protocols_are_offered_over_tls() {
    let place = Place::new();
    let certificate = certify(&place);
    let server = serve(&place);
    assert!(place.read("stdout").contains(&format!("listening on https://{}", server.s3)));

    let mut stream = connect(&server, &certificate, &["h2", "http/1.1"]).expect("TLS");
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
    assert!(h2::get_root(&mut stream, true, None).contains("<Code>AccessDenied</Code>"));

    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = connect(&server, &certificate, protocols).expect("TLS");
        assert_eq!(stream.conn.alpn_protocol(), protocols.first().map(|protocol| protocol.as_bytes()));
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("sent");
        assert!(read_all(&mut stream).starts_with("HTTP/1.1 403 "));
    }
}

#[test]
fn what_does_not_speak_tls_is_turned_away_and_costs_nothing_else() {
    let place = Place::new();
    let certificate = certify(&place);
    let server = serve(&place);
    let mut plain = server.connect();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("sent");
    assert!(!read_all(&mut plain).contains("HTTP/1.1"));
    assert!(connect(&server, &certificate, &[]).is_ok());
}

#[test]
fn sighup_reads_the_certificate_again_and_keeps_the_old_one_if_it_is_no_good() {
    let place = Place::new();
    let first = certify(&place);
    let server = serve(&place);
    assert!(connect(&server, &first, &[]).is_ok());

    place.write("c.pem", "damaged");
    server.signal(rustix::process::Signal::HUP);
    within(|| (server.metric("causeway_config_reloads_total{result=\"failed\"}") == Some(1.0)).then_some(()));
    let log = place.read("stderr");
    assert!(log.contains("server.tls_cert c.pem") && log.contains("nothing was changed"), "{log}");
    assert!(connect(&server, &first, &[]).is_ok());

    let second = certify(&place);
    server.signal(rustix::process::Signal::HUP);
    within(|| connect(&server, &second, &[]).ok());
    assert!(connect(&server, &first, &[]).is_err());

    // A changed path has the same effect as changed content.
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    place.write("new.pem", &made.cert.pem()).write("new-key.pem", &made.signing_key.serialize_pem());
    place.write("causeway.toml", "[server]\ntls_cert = 'new.pem'\ntls_key = 'new-key.pem'\n");
    server.signal(rustix::process::Signal::HUP);
    within(|| connect(&server, made.cert.der(), &[]).ok());
    assert_eq!(server.metric("causeway_config_settings_waiting"), Some(0.0));
}
