//! The `WebsiteConfiguration` document, both ways.
//!
//! Owns which elements there are and how often. The limits of their values are in `model`.

use super::{ErrorCode, Response, S3Error, reply, xml};
use crate::model::{
    NewKey, Pages, RedirectAll, RoutingCondition, RoutingRedirect, RoutingRule, Website, WebsiteError,
    WebsiteProtocol,
};
use xml::{Element, Writer};

/// The limit of S3.
pub(super) const MAX_DOCUMENT: usize = 128 * 1024;

const PROTOCOL: &str = "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected \
     automatically.";
const NOT_ALONE: &str = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.";
const NO_INDEX: &str = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty";
const BOTH_KEYS: &str = "You can only define ReplaceKeyPrefix or ReplaceKey but not both.";

pub(super) fn read(document: &[u8]) -> Result<Website, S3Error> {
    let root = xml::parse(document, "WebsiteConfiguration")?;
    let [all, index, error, rules] =
        children(&root, ["RedirectAllRequestsTo", "IndexDocument", "ErrorDocument", "RoutingRules"])?;
    let website = match all {
        Some(_) if index.is_some() || error.is_some() || rules.is_some() => {
            return Err(S3Error::argument("RedirectAllRequestsTo", "not null", NOT_ALONE));
        }
        Some(all) => Website::RedirectAll(redirect_all(all)?),
        None => Website::Pages(Pages {
            index: match index {
                Some(index) => required(index, "Suffix")?,
                None => return Err(S3Error::argument("IndexDocument", "null", NO_INDEX)),
            },
            error: error.map(|error| required(error, "Key")).transpose()?,
            rules: rules.map(routing_rules).transpose()?.unwrap_or_default(),
        }),
    };
    website.check().map_err(refusal)?;
    Ok(website)
}

fn redirect_all(element: &Element) -> Result<RedirectAll, S3Error> {
    let [host, protocol] = children(element, ["HostName", "Protocol"])?;
    let host = host.map(|host| host.text.clone()).filter(|host| !host.is_empty());
    Ok(RedirectAll { host: host.ok_or(ErrorCode::MalformedXML)?, protocol: read_protocol(protocol)? })
}

fn routing_rules(element: &Element) -> Result<Vec<RoutingRule>, S3Error> {
    let are_rules = element.children.iter().all(|child| child.name == "RoutingRule");
    if element.children.is_empty() || !are_rules {
        return Err(ErrorCode::MalformedXML.into());
    }
    element.children.iter().map(routing_rule).collect()
}

fn routing_rule(element: &Element) -> Result<RoutingRule, S3Error> {
    let [condition, redirect] = children(element, ["Condition", "Redirect"])?;
    Ok(RoutingRule {
        condition: condition.map(read_condition).transpose()?,
        redirect: read_redirect(redirect.ok_or(ErrorCode::MalformedXML)?)?,
    })
}

fn read_condition(element: &Element) -> Result<RoutingCondition, S3Error> {
    let [prefix, status] = children(element, ["KeyPrefixEquals", "HttpErrorCodeReturnedEquals"])?;
    Ok(RoutingCondition { prefix: prefix.map(|prefix| prefix.text.clone()), status: read_code(status)? })
}

fn read_redirect(element: &Element) -> Result<RoutingRedirect, S3Error> {
    let [protocol, host, code, prefix, whole] = children(
        element,
        ["Protocol", "HostName", "HttpRedirectCode", "ReplaceKeyPrefixWith", "ReplaceKeyWith"],
    )?;
    let key = match (prefix, whole) {
        (Some(_), Some(_)) => return Err(S3Error::new(ErrorCode::InvalidRequest, BOTH_KEYS)),
        (Some(prefix), None) => Some(NewKey::Prefix(prefix.text.clone())),
        (None, whole) => whole.map(|whole| NewKey::Whole(whole.text.clone())),
    };
    let host = host.map(|host| host.text.clone());
    Ok(RoutingRedirect { protocol: read_protocol(protocol)?, host, code: read_code(code)?, key })
}

fn read_protocol(element: Option<&Element>) -> Result<Option<WebsiteProtocol>, S3Error> {
    let read = |element: &Element| {
        WebsiteProtocol::parse(element.text.trim())
            .ok_or_else(|| S3Error::new(ErrorCode::InvalidRequest, PROTOCOL))
    };
    element.map(read).transpose()
}

fn read_code(element: Option<&Element>) -> Result<Option<u16>, S3Error> {
    let read = |element: &Element| element.text.trim().parse().map_err(|_| ErrorCode::MalformedXML.into());
    element.map(read).transpose()
}

/// The children of an element by their names, each of which may occur once. No other child may.
fn children<'e, const N: usize>(
    element: &'e Element,
    names: [&str; N],
) -> Result<[Option<&'e Element>; N], S3Error> {
    let mut found = [None; N];
    for child in &element.children {
        let at = names.iter().position(|name| child.name == *name).ok_or(ErrorCode::MalformedXML)?;
        if found[at].replace(child).is_some() {
            return Err(ErrorCode::MalformedXML.into());
        }
    }
    Ok(found)
}

/// The text of the only child of an element.
fn required(element: &Element, name: &str) -> Result<String, S3Error> {
    let [child] = children(element, [name])?;
    Ok(child.ok_or(ErrorCode::MalformedXML)?.text.clone())
}

fn refusal(error: WebsiteError) -> S3Error {
    let message = error.to_string();
    match error {
        WebsiteError::Index(value) => S3Error::argument("IndexDocument", value, message),
        WebsiteError::ErrorDocument(value) => S3Error::argument("ErrorDocument", value, message),
        WebsiteError::EmptyRedirect => ErrorCode::MalformedXML.into(),
        WebsiteError::TooMany(_)
        | WebsiteError::EmptyCondition
        | WebsiteError::ErrorCode(_)
        | WebsiteError::RedirectCode(_)
        | WebsiteError::Host(_) => S3Error::new(ErrorCode::InvalidRequest, message),
    }
}

pub(super) fn document(website: &Website) -> Response {
    reply::document("WebsiteConfiguration", |w| match website {
        Website::RedirectAll(all) => w.element("RedirectAllRequestsTo", |w| {
            w.text("HostName", &all.host);
            write_protocol(w, all.protocol);
        }),
        Website::Pages(pages) => {
            w.element("IndexDocument", |w| w.text("Suffix", &pages.index));
            if let Some(error) = &pages.error {
                w.element("ErrorDocument", |w| w.text("Key", error));
            }
            if !pages.rules.is_empty() {
                w.element("RoutingRules", |w| pages.rules.iter().for_each(|rule| write_rule(w, rule)));
            }
        }
    })
}

fn write_rule(w: &mut Writer, rule: &RoutingRule) {
    w.element("RoutingRule", |w| {
        if let Some(condition) = &rule.condition {
            w.element("Condition", |w| {
                if let Some(prefix) = &condition.prefix {
                    w.text("KeyPrefixEquals", prefix);
                }
                if let Some(status) = condition.status {
                    w.number("HttpErrorCodeReturnedEquals", status);
                }
            });
        }
        w.element("Redirect", |w| {
            write_protocol(w, rule.redirect.protocol);
            if let Some(host) = &rule.redirect.host {
                w.text("HostName", host);
            }
            match &rule.redirect.key {
                Some(NewKey::Prefix(prefix)) => w.text("ReplaceKeyPrefixWith", prefix),
                Some(NewKey::Whole(whole)) => w.text("ReplaceKeyWith", whole),
                None => {}
            }
            if let Some(code) = rule.redirect.code {
                w.number("HttpRedirectCode", code);
            }
        });
    });
}

fn write_protocol(w: &mut Writer, protocol: Option<WebsiteProtocol>) {
    if let Some(protocol) = protocol {
        w.text("Protocol", protocol.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::Body;

    const INDEX: &str = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>";

    fn wrapped(content: &str) -> String {
        format!("<WebsiteConfiguration>{content}</WebsiteConfiguration>")
    }

    fn rules(rules: &str) -> String {
        format!("{INDEX}<RoutingRules>{rules}</RoutingRules>")
    }

    fn rule(condition: &str, redirect: &str) -> String {
        rules(&format!("<RoutingRule>{condition}<Redirect>{redirect}</Redirect></RoutingRule>"))
    }

    fn refused(content: &str) -> S3Error {
        read(wrapped(content).as_bytes()).expect_err(content)
    }

    #[test]
    fn the_document_we_show_is_one_we_take_back() {
        let long = "<KeyPrefixEquals>a&amp;b/</KeyPrefixEquals>\
             <HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals>";
        for content in [
            "<RedirectAllRequestsTo><HostName>example.com</HostName></RedirectAllRequestsTo>".to_owned(),
            "<RedirectAllRequestsTo><HostName>a.b:8080</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>"
                .to_owned(),
            INDEX.to_owned(),
            format!("{INDEX}<ErrorDocument><Key>errors/ü.html</Key></ErrorDocument>"),
            rule("", "<Protocol>http</Protocol>"),
            rule(
                &format!("<Condition>{long}</Condition>"),
                "<Protocol>https</Protocol><HostName>h</HostName><ReplaceKeyPrefixWith></ReplaceKeyPrefixWith>\
                 <HttpRedirectCode>307</HttpRedirectCode>",
            ),
            rule("<Condition><KeyPrefixEquals></KeyPrefixEquals></Condition>", "<ReplaceKeyWith>#!/</ReplaceKeyWith>"),
        ] {
            let website = read(wrapped(&content).as_bytes()).expect(&content);
            let Body::Full(written) = document(&website).into_body() else { panic!("a document") };
            let written = String::from_utf8(written.to_vec()).expect("UTF-8");
            assert!(written.contains(&content), "{written}\n{content}");
            assert_eq!(read(written.as_bytes()).expect("reads"), website);
        }
    }

    #[test]
    fn what_is_no_website_is_malformed() {
        for content in [
            "<Unknown/>".to_owned(),
            format!("{INDEX}{INDEX}"),
            "<IndexDocument/>".to_owned(),
            format!("{INDEX}<ErrorDocument/>"),
            "<RedirectAllRequestsTo/>".to_owned(),
            "<RedirectAllRequestsTo><HostName/></RedirectAllRequestsTo>".to_owned(),
            rules(""),
            rules("<RoutingRule/>"),
            rules("<Rule/>"),
            rule("", ""),
            rule("<Condition><Unknown/></Condition>", "<HostName>h</HostName>"),
            rule("", "<HttpRedirectCode>soon</HttpRedirectCode>"),
            rule("", "<HttpRedirectCode></HttpRedirectCode>"),
        ] {
            assert_eq!(refused(&content).code, ErrorCode::MalformedXML, "{content}");
        }
        assert_eq!(read(b"<Else/>").expect_err("refused").code, ErrorCode::MalformedXML);
        assert_eq!(read(b"").expect_err("refused").code, ErrorCode::MalformedXML);
    }

    #[test]
    fn arguments_that_s3_refuses_are_named() {
        let redirect = "<RedirectAllRequestsTo><HostName>h</HostName></RedirectAllRequestsTo>";
        for (content, argument, value) in [
            ("", "IndexDocument", "null"),
            ("<IndexDocument><Suffix>a/b</Suffix></IndexDocument>", "IndexDocument", "a/b"),
            ("<IndexDocument><Suffix/></IndexDocument>", "IndexDocument", ""),
            (&format!("{INDEX}<ErrorDocument><Key></Key></ErrorDocument>"), "ErrorDocument", ""),
            (&format!("{INDEX}{redirect}"), "RedirectAllRequestsTo", "not null"),
        ] {
            let error = refused(content);
            assert_eq!(error.code, ErrorCode::InvalidArgument, "{content}");
            let expected = vec![("ArgumentName", argument.to_owned()), ("ArgumentValue", value.to_owned())];
            assert_eq!(error.details, expected, "{content}");
        }
    }

    #[test]
    fn rules_that_s3_refuses_are_refused_in_its_words() {
        let host = "<HostName>h</HostName>";
        let one = format!("<RoutingRule><Redirect>{host}</Redirect></RoutingRule>");
        let status = |code: &str| {
            format!(
                "<Condition><HttpErrorCodeReturnedEquals>{code}</HttpErrorCodeReturnedEquals></Condition>"
            )
        };
        for (content, words) in [
            (rule("<Condition/>", host), "Condition cannot be empty."),
            (rule(&status("200"), host), "The provided HTTP error code (200) is not valid."),
            (rule("", "<HttpRedirectCode>200</HttpRedirectCode>"), "The provided HTTP redirect code (200)"),
            (rule("", "<Protocol>ftp</Protocol>"), "Invalid protocol, protocol can be http or https."),
            (rule("", "<HostName>a b</HostName>"), "The provided HostName is not valid."),
            (
                rule("", "<ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith>"),
                "You can only define ReplaceKeyPrefix or ReplaceKey but not both.",
            ),
            (rules(&one.repeat(51)), "51 routing rules provided,"),
        ] {
            let error = refused(&content);
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{content:.200}");
            assert!(error.message.starts_with(words), "{}", error.message);
        }
    }
}
