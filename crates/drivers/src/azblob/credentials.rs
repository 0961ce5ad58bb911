//! Reads the account and the credentials that sign for it from the settings. Explicit settings override the
//! connection string, which overrides the environment.

use super::AzblobSettings;
use crate::{
    backend::wire::{self, Sign},
    model::{Endpoint, Secret},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use reqsign_azure_storage::{
    ClientSecretCredentialProvider, Credential, DefaultCredentialProvider, ImdsCredentialProvider,
    RequestSigner, StaticCredentialProvider, WorkloadIdentityCredentialProvider,
};
use reqsign_core::{Context, Env, OsEnv, ProvideCredential, Signer};
use std::{collections::HashMap, sync::Arc};

pub(super) struct Access {
    pub(super) endpoint: Endpoint,
    pub(super) signer: Arc<dyn Sign>,
    pub(super) sas: Option<Secret>,
}

/// The account and key of every installation of the emulator and of Azurite.
const DEVELOPMENT: (&str, &str) = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
);

pub(super) fn resolve(settings: &AzblobSettings) -> Result<Access> {
    let connection = settings
        .connection_string
        .as_ref()
        .map(|text| Connection::parse(text.expose()))
        .transpose()?
        .unwrap_or_default();
    let account = settings.account.clone().or(connection.account);
    let endpoint = match (&settings.endpoint, connection.endpoint, &account) {
        (Some(endpoint), ..) => endpoint.clone(),
        (None, Some(endpoint), _) => endpoint,
        (None, None, Some(account)) => {
            let host = format!("https://{account}.blob.core.windows.net");
            Endpoint::parse(&host).ok_or_else(|| senseless("this is no name of a storage account"))?
        }
        (None, None, None) => {
            return Err(senseless("an account, an endpoint or a connection string is needed"));
        }
    };
    let sas = settings.sas.clone().or_else(|| connection.sas.filter(|_| settings.account_key.is_none()));
    let sas = sas.map(|sas| Secret::new(sas.expose().trim_start_matches('?')));
    let key = settings.account_key.clone().or(connection.key);
    let entra =
        (settings.tenant_id.as_deref(), settings.client_id.as_deref(), settings.client_secret.as_ref());
    let signer = match (&sas, key, entra) {
        (Some(sas), ..) => signed(wire::context()?, StaticCredentialProvider::new_sas_token(sas.expose())),
        (None, _, (Some(tenant), Some(client), Some(secret))) => {
            let provider =
                ClientSecretCredentialProvider::new().with_tenant_id(tenant).with_client_id(client);
            signed(wire::context()?, provider.with_client_secret(secret.expose()))
        }
        (None, _, (_, _, Some(_))) => return Err(senseless("client_secret needs tenant_id and client_id")),
        (None, Some(key), _) => {
            let account = account.as_deref().ok_or_else(|| senseless("account_key needs an account"))?;
            signed(wire::context()?, StaticCredentialProvider::new_shared_key(account, key.expose()))
        }
        (None, None, (tenant, client, None)) => {
            let found = found(tenant, client, !settings.no_metadata);
            signed(wire::context()?.with_env(Around::new(tenant, client)), found)
        }
    };
    Ok(Access { endpoint, signer, sas })
}

fn signed(
    context: Context,
    provider: impl ProvideCredential<Credential = Credential> + 'static,
) -> Arc<dyn Sign> {
    Arc::new(Signer::new(context, provider, RequestSigner::new()))
}

/// Returns the credentials of the environment, of a workload identity, or of the machine's identity.
fn found(tenant: Option<&str>, client: Option<&str>, metadata: bool) -> DefaultCredentialProvider {
    let mut workload = WorkloadIdentityCredentialProvider::new();
    if let Some(tenant) = tenant {
        workload = workload.with_tenant_id(tenant);
    }
    if let Some(client) = client {
        workload = workload.with_client_id(client);
    }
    let chain = DefaultCredentialProvider::builder().workload_identity(workload);
    if metadata { chain.imds(ImdsCredentialProvider::new()).build() } else { chain.no_imds().build() }
}

/// The environment, overridden by the settings: the metadata service reads from it which identity to use.
#[derive(Debug)]
struct Around(HashMap<String, String>);

impl Around {
    fn new(tenant: Option<&str>, client: Option<&str>) -> Self {
        let told = [("AZURE_TENANT_ID", tenant), ("AZURE_CLIENT_ID", client)];
        let mut vars = OsEnv.vars();
        vars.extend(told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))));
        Self(vars)
    }
}

impl Env for Around {
    fn var(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }

    fn vars(&self) -> HashMap<String, String> {
        self.0.clone()
    }

    fn home_dir(&self) -> Option<std::path::PathBuf> {
        OsEnv.home_dir()
    }
}

/// The connection string, `Name=value;Name=value`, as the portal shows it. Messages never repeat its content,
/// which is secret.
#[derive(Default)]
struct Connection {
    account: Option<String>,
    endpoint: Option<Endpoint>,
    key: Option<Secret>,
    sas: Option<Secret>,
}

impl Connection {
    fn parse(text: &str) -> Result<Self> {
        let mut fields = HashMap::new();
        for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| senseless("the connection string is not made of Name=value;…"))?;
            fields.insert(name.trim().to_ascii_lowercase(), value.trim());
        }
        let text =
            |name: &str| fields.get(name).filter(|value| !value.is_empty()).map(|value| (*value).to_owned());
        if text("usedevelopmentstorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            let (account, key) = DEVELOPMENT;
            let endpoint = Endpoint::parse(&format!("http://127.0.0.1:10000/{account}"));
            return Ok(Self {
                account: Some(account.to_owned()),
                endpoint,
                key: Some(Secret::new(key)),
                sas: None,
            });
        }
        let account = text("accountname");
        let address = text("blobendpoint").or_else(|| {
            let protocol = text("defaultendpointsprotocol").unwrap_or_else(|| "https".to_owned());
            let suffix = text("endpointsuffix").unwrap_or_else(|| "core.windows.net".to_owned());
            Some(format!("{protocol}://{}.blob.{suffix}", account.as_ref()?))
        });
        let endpoint = match address {
            Some(address) => Some(
                Endpoint::parse(&address)
                    .ok_or_else(|| senseless("the connection string has no valid endpoint"))?,
            ),
            None => None,
        };
        Ok(Self {
            account,
            endpoint,
            key: text("accountkey").map(Secret::new),
            sas: text("sharedaccesssignature").map(Secret::new),
        })
    }
}

fn senseless(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::InvalidRequest, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected(text: &str) -> Result<Access> {
        resolve(&AzblobSettings { connection_string: Some(Secret::new(text)), ..Default::default() })
    }

    fn endpoint(text: &str) -> String {
        connected(text).expect("is complete").endpoint.to_string()
    }

    #[test]
    fn a_connection_string_names_account_endpoint_and_key() {
        let key = "AccountName=acc;AccountKey=a2V5PT0=";
        assert_eq!(
            endpoint(&format!("DefaultEndpointsProtocol=https;{key};EndpointSuffix=core.usgovcloudapi.net")),
            "https://acc.blob.core.usgovcloudapi.net"
        );
        assert_eq!(endpoint(key), "https://acc.blob.core.windows.net");
        assert_eq!(
            endpoint(&format!("{key};BlobEndpoint=http://127.0.0.1:1/acc/;")),
            "http://127.0.0.1:1/acc"
        );
        assert_eq!(endpoint("UseDevelopmentStorage=true"), "http://127.0.0.1:10000/devstoreaccount1");
        let access = connected("BlobEndpoint=https://x.example;SharedAccessSignature=?sv=1&sig=abc%3D")
            .expect("is complete");
        assert_eq!(access.sas.as_ref().map(Secret::expose), Some("sv=1&sig=abc%3D"));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_without_repeating_secrets() {
        for text in ["hunter2", "AccountKey=hunter2", "AccountName=a b;AccountKey=hunter2"] {
            let error = connected(text).err().unwrap_or_else(|| panic!("{text}"));
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let alone = AzblobSettings {
            account: Some("acc".into()),
            client_secret: Some(Secret::new("hunter2")),
            ..Default::default()
        };
        assert!(resolve(&alone).is_err());
        assert!(resolve(&AzblobSettings::default()).is_err());
    }

    #[test]
    fn an_account_alone_is_enough_where_credentials_are_found() {
        let settings = AzblobSettings {
            account: Some("acc".into()),
            client_id: Some("id".into()),
            ..Default::default()
        };
        assert_eq!(
            resolve(&settings).expect("is complete").endpoint.to_string(),
            "https://acc.blob.core.windows.net"
        );
    }
}
