//! OpenID Connect providers of an account: Create, Get, List, Delete, and changes of their client ids and
//! thumbprints.
//!
//! Invariant: an account makes providers of issuers only that the configuration allows. Nothing is fetched
//! here: the first token of a provider has its keys fetched.

use crate::{
    entity::{Entity, Kind, OpenIdProvider},
    model::Issuer,
    names,
    query::{
        authorize,
        error::{Code, QueryError},
        show,
        work::{Work, exists, invalid_input, too_many},
    },
    xml::Writer,
};

/// IAM User Guide, "IAM and STS quotas".
const MOST: usize = 100;
const MOST_CLIENTS: usize = 100;
const MOST_THUMBPRINTS: usize = 5;
const LONGEST: usize = 255;
const THUMBPRINT: usize = 40;

pub(in crate::query) fn create(work: &mut Work<'_>) -> Result<(), QueryError> {
    let url = work.needed("Url")?;
    let issuer = Issuer::parse(url).filter(|_| url.len() <= LONGEST);
    let issuer = issuer.ok_or_else(|| invalid_input("Invalid Open ID Connect Url"))?;
    let name = names::provider_name(url);
    if work.account().providers.contains_key(&names::fold(name)) {
        return Err(exists("Provider", url));
    }
    if work.providers.is_configured(name) {
        let message = format!("Provider with url {url} already exists: it is in the configuration.");
        return Err(QueryError::new(Code::EntityAlreadyExists, message));
    }
    if !work.providers.allows(&issuer) {
        let message = format!(
            "The administrator of the gateway allows no OpenID Connect provider with the issuer {url}: \
             [[oidc_allowed]] of the configuration names the issuers that are allowed"
        );
        return Err(QueryError::new(Code::AccessDenied, message));
    }
    if work.account().providers.len() >= MOST {
        return Err(too_many("OpenIdConnectProvidersPerAccount", MOST));
    }
    let mut client_ids = Vec::new();
    for id in work.call.form.values("ClientIDList") {
        add(&mut client_ids, id)?;
    }
    let tags = work.tags()?;
    if !tags.is_empty() {
        authorize::permit_also(work, "iam:TagOpenIDConnectProvider")?;
    }
    let thumbprints = thumbprints(work)?;
    let provider = OpenIdProvider { url: url.to_owned(), created: work.now(), client_ids, thumbprints, tags };
    let arn = work.provider_arn(url);
    work.out.text("OpenIDConnectProviderArn", arn);
    show::tags(&mut work.out, &provider.tags);
    work.put(Entity::Provider(provider));
    Ok(())
}

/// Adds a client id, unless it is there.
fn add(client_ids: &mut Vec<String>, id: &str) -> Result<(), QueryError> {
    if !(1..=LONGEST).contains(&id.chars().count()) {
        return Err(QueryError::invalid(format!("A client id must have 1 to {LONGEST} characters")));
    }
    if client_ids.iter().any(|known| known == id) {
        return Ok(());
    }
    if client_ids.len() >= MOST_CLIENTS {
        return Err(too_many("ClientIdsPerOpenIdConnectProvider", MOST_CLIENTS));
    }
    client_ids.push(id.to_owned());
    Ok(())
}

fn thumbprints(work: &Work<'_>) -> Result<Vec<String>, QueryError> {
    let thumbprints = work.call.form.values("ThumbprintList");
    if thumbprints.len() > MOST_THUMBPRINTS {
        // AWS's own words: five are fine.
        return Err(invalid_input(format!(
            "Thumbprint list must contain fewer than {MOST_THUMBPRINTS} entries."
        )));
    }
    if thumbprints.iter().any(|thumbprint| thumbprint.chars().count() != THUMBPRINT) {
        return Err(QueryError::invalid(format!("A thumbprint must have {THUMBPRINT} characters")));
    }
    Ok(thumbprints.into_iter().map(str::to_owned).collect())
}

pub(in crate::query) fn get(work: &mut Work<'_>) -> Result<(), QueryError> {
    let provider = work.provider()?;
    let list = |w: &mut Writer, element: &str, texts: &[String]| {
        w.element(element, |w| texts.iter().for_each(|text| w.text("member", text)));
    };
    let mut tags = provider.tags.clone();
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    // AWS shows no scheme, because there it can only be this one.
    let url = provider.url.strip_prefix("https://").unwrap_or(&provider.url);
    work.out.text("Url", url);
    list(&mut work.out, "ClientIDList", &provider.client_ids);
    list(&mut work.out, "ThumbprintList", &provider.thumbprints);
    work.out.text("CreateDate", names::shown(provider.created));
    show::tags(&mut work.out, &tags);
    Ok(())
}

pub(in crate::query) fn list(work: &mut Work<'_>) -> Result<(), QueryError> {
    let providers = work.account().providers.values();
    let arns: Vec<String> = providers.map(|provider| work.provider_arn(&provider.url)).collect();
    work.out.element("OpenIDConnectProviderList", |w| {
        for arn in arns {
            w.element("member", |w| w.text("Arn", arn));
        }
    });
    Ok(())
}

pub(in crate::query) fn delete(work: &mut Work<'_>) -> Result<(), QueryError> {
    let provider = work.provider()?;
    work.delete(Kind::Provider, names::provider_name(&provider.url));
    Ok(())
}

pub(in crate::query) fn update_thumbprints(work: &mut Work<'_>) -> Result<(), QueryError> {
    let provider = OpenIdProvider { thumbprints: thumbprints(work)?, ..(**work.provider()?).clone() };
    if provider.thumbprints.is_empty() {
        return Err(invalid_input("Thumbprint list must contain at least one entry."));
    }
    work.put(Entity::Provider(provider));
    Ok(())
}

pub(in crate::query) fn add_client(work: &mut Work<'_>) -> Result<(), QueryError> {
    let mut provider = (**work.provider()?).clone();
    add(&mut provider.client_ids, work.needed("ClientID")?)?;
    work.put(Entity::Provider(provider));
    Ok(())
}

pub(in crate::query) fn remove_client(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (mut provider, id) = ((**work.provider()?).clone(), work.needed("ClientID")?);
    provider.client_ids.retain(|known| known != id);
    work.put(Entity::Provider(provider));
    Ok(())
}
