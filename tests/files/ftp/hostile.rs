//! Hostile FTP servers: listings without end, and data connections that are closed silently.

use super::*;
use bytes::Bytes;
use causeway::backend::tree::files::DraftName;
use futures_util::TryStreamExt;
use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// A server on which every folder has this listing, sent again and again until the client disconnects. On
/// STOR, it closes the data connection before it reads, and never replies.
fn endless(line: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // The conversation ends when the client disconnects.
            std::thread::spawn(move || converse(stream, line));
        }
    });
    address
}

fn converse(mut stream: TcpStream, line: &str) -> std::io::Result<()> {
    let data = TcpListener::bind("127.0.0.1:0")?;
    let port = data.local_addr()?.port();
    write!(stream, "220 here\r\n")?;
    for command in BufReader::new(stream.try_clone()?).lines() {
        let command = command?;
        match command.split(' ').next().unwrap_or_default() {
            "USER" => write!(stream, "331 and?\r\n")?,
            "PASS" => write!(stream, "230 in\r\n")?,
            "FEAT" => write!(stream, "211-more\r\n MLST type*;size*;modify*;\r\n UTF8\r\n211 end\r\n")?,
            "PWD" => write!(stream, "257 \"/\"\r\n")?,
            "MLST" => write!(stream, "250-it is\r\n type=dir; /\r\n250 end\r\n")?,
            "EPSV" => write!(stream, "229 there (|||{port}|)\r\n")?,
            "MLSD" => {
                write!(stream, "150 begins\r\n")?;
                let (mut data, _) = data.accept()?;
                let many = line.repeat(1000);
                while data.write_all(many.as_bytes()).is_ok() {}
                write!(stream, "426 cut\r\n")?;
            }
            "STOR" => {
                drop(data.accept()?);
                write!(stream, "150 begins\r\n")?;
            }
            _ => write!(stream, "200 fine\r\n")?,
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_listing_without_end_is_an_error() {
    for line in ["type=file;size=1;modify=20260101000000; a\r\n", "x"] {
        let files = on(FtpSettings {
            port: endless(line).port(),
            timeout: Duration::from_secs(20),
            attempts: 1,
            ..Ftpd::nowhere()
        });
        let listing = async {
            let mut entries = files.list("");
            while entries.try_next().await?.is_some() {}
            Ok::<(), causeway::store::error::StoreError>(())
        };
        let listed =
            tokio::time::timeout(Duration::from_secs(60), listing).await.expect("a listing comes to an end");
        let error = listed.expect_err("it never ends");
        assert!(!error.is_temporary() && error.to_string().contains("no end"), "{line:?}: {error}");
    }
}

#[tokio::test]
async fn a_file_whose_data_connection_the_server_gave_up_is_lost_at_once() {
    for content in ["", "some bytes"] {
        let files = on(FtpSettings {
            port: endless("x").port(),
            timeout: Duration::from_secs(600),
            attempts: 1,
            ..Ftpd::nowhere()
        });
        let writing = async {
            let length = content.len() as u64;
            let mut draft = files.create(&DraftName("test-draft".to_owned()), "a", Some(length)).await?;
            draft.write(vec![Bytes::from(content)]).await?;
            draft.finish().await
        };
        // With these settings, the driver would wait for a reply for more than an hour.
        let written =
            tokio::time::timeout(Duration::from_secs(60), writing).await.expect("no reply is waited for");
        let error = written.expect_err("the server has nothing of it");
        assert!(error.is_temporary(), "{error}");
    }
}
