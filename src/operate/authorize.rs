//! A person grants a configured backend access to a drive: in a browser that returns to this machine, or with
//! a code on another device. This module only obtains the token; the caller stores it.

use crate::{
    assembly::{StartError, backends},
    backend::oauth::{Asking, Authorization},
    config::{self, Settings},
    model::Secret,
    store::error::StoreError,
};
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// The longest line of the request with which a browser comes back, in bytes.
const LONGEST_LINE: u64 = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(10);
const THANKS: &str = "This went to Causeway. You can close this page and go on at the terminal.";

/// The configured key that holds the result.
pub const KEY: &str = "refresh_token";

pub enum Way {
    /// `typed` is what the person types meanwhile: an address to which a browser on another machine returned.
    Browser,
    Device,
}

/// What a person must be shown.
pub enum Telling {
    Page { authority: &'static str, page: String },
    Device { authority: &'static str, page: String, user_code: String },
}

fn failed(error: StoreError) -> StartError {
    StartError::because("authorizing", error)
}

pub async fn authorize(
    settings: &Settings,
    name: &str,
    way: Way,
    tell: impl Fn(Telling),
) -> Result<Secret, StartError> {
    let Some(backend) = settings.backends.get(name) else {
        return Err(StartError::new(format!("the configuration has no backend '{name}'")));
    };
    let asking = asking(name, backend)?;
    let authority = asking.authority;
    let authorization = Authorization::begin(asking).map_err(failed)?;
    match way {
        Way::Device => {
            let device = authorization.device().await.map_err(failed)?;
            tell(Telling::Device {
                authority,
                page: device.page.clone(),
                user_code: device.user_code.clone(),
            });
            authorization.typed(device).await.map_err(failed)
        }
        Way::Browser => {
            let listener = TcpListener::bind("127.0.0.1:0").await;
            let listener =
                listener.map_err(|error| StartError::because("listening for the browser", error))?;
            let address = listener
                .local_addr()
                .map_err(|error| StartError::because("listening for the browser", error))?;
            let redirect = format!("http://{address}");
            tell(Telling::Page { authority, page: authorization.page(&redirect) });
            let mut typed = typed();
            loop {
                let returned: Option<String> = tokio::select! {
                    came = listener.accept() => match came {
                        Ok((stream, _)) => came_back(stream).await,
                        Err(error) => return Err(StartError::because("listening for the browser", error)),
                    },
                    Some(line) = typed.recv() => Some(line),
                };
                // Browsers also request icons.
                let Some(returned) = returned else { continue };
                if let Some(token) = authorization.returned(&returned, &redirect).await.map_err(failed)? {
                    return Ok(token);
                }
            }
        }
    }
}

/// Lines of standard input. The reading thread stays until the process ends if nothing is typed.
fn typed() -> mpsc::Receiver<String> {
    let (lines, typed) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}

/// The path that a browser requests.
async fn came_back(mut stream: TcpStream) -> Option<String> {
    let exchange = async {
        let mut line = String::new();
        BufReader::new(&mut stream).take(LONGEST_LINE).read_line(&mut line).await.ok()?;
        let reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{THANKS}",
            THANKS.len()
        );
        // The person may have closed the page.
        let _ = stream.write_all(reply.as_bytes()).await;
        let _ = stream.shutdown().await;
        line.split(' ').nth(1).map(str::to_owned)
    };
    tokio::time::timeout(PATIENCE, exchange).await.ok().flatten()
}

fn asking(name: &str, backend: &config::Backend) -> Result<Asking, StartError> {
    let needs = |key: &str| {
        StartError::new(format!(
            "backend.{name}.{key} is missing: it is that of the application you have registered"
        ))
    };
    match backend {
        config::Backend::Gdrive(gdrive) => Ok(Asking {
            authority: "Google",
            page: gdrive.authorize_endpoint.clone(),
            tokens: gdrive.token_endpoint.clone(),
            devices: Some(gdrive.device_endpoint.clone()),
            client_id: gdrive.client_id.clone().ok_or_else(|| needs("client_id"))?,
            client_secret: Some(
                gdrive.client_secret.as_ref().ok_or_else(|| needs("client_secret"))?.secret.clone(),
            ),
            scope: crate::drivers::gdrive::SCOPE.to_owned(),
            device_scope: crate::drivers::gdrive::DEVICE_SCOPE.to_owned(),
            extra: &[("access_type", "offline"), ("prompt", "consent")],
            wire: backends::wire(&gdrive.http),
        }),
        config::Backend::Onedrive(onedrive) => {
            let at = |what| {
                backends::microsoft(onedrive, what).map_err(|error| StartError::new(error.to_string()))
            };
            Ok(Asking {
                authority: "Microsoft",
                page: at("authorize")?,
                tokens: at("token")?,
                devices: Some(at("devicecode")?),
                client_id: onedrive.client_id.clone(),
                client_secret: onedrive.client_secret.as_ref().map(|secret| secret.secret.clone()),
                scope: crate::drivers::onedrive::PERSONS_SCOPE.to_owned(),
                device_scope: crate::drivers::onedrive::PERSONS_SCOPE.to_owned(),
                extra: &[],
                wire: backends::wire(&onedrive.http),
            })
        }
        config::Backend::Dropbox(dropbox) => Ok(Asking {
            authority: "Dropbox",
            page: dropbox.authorize_endpoint.clone(),
            tokens: dropbox.token_endpoint.clone(),
            devices: None,
            client_id: dropbox.client_id.clone(),
            client_secret: dropbox.client_secret.as_ref().map(|secret| secret.secret.clone()),
            scope: crate::drivers::dropbox::SCOPE.to_owned(),
            device_scope: String::new(),
            extra: &[("token_access_type", "offline")],
            wire: backends::wire(&dropbox.http),
        }),
        _ => Err(StartError::new(format!(
            "a backend of type '{}' is not authorized by a person",
            backend.type_name()
        ))),
    }
}
