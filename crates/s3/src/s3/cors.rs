//! The `CORSConfiguration` document, both ways.

use super::{ErrorCode, Response, S3Error, reply, xml};
use crate::model::{CorsError, CorsMethod, CorsPattern, CorsRule, CorsRules};

/// The limit of S3.
pub(super) const MAX_DOCUMENT: usize = 64 * 1024;

pub(super) fn read(document: &[u8]) -> Result<CorsRules, S3Error> {
    let root = xml::parse(document, "CORSConfiguration")?;
    if root.children.is_empty() || root.children.iter().any(|child| child.name != "CORSRule") {
        return Err(ErrorCode::MalformedXML.into());
    }
    let rules: Vec<_> = root.children.iter().map(rule).collect::<Result<_, _>>()?;
    CorsRules::new(rules).map_err(refusal)
}

fn rule(element: &xml::Element) -> Result<CorsRule, S3Error> {
    let (id, max_age) = (single(element, "ID")?, single(element, "MaxAgeSeconds")?);
    let max_age = max_age.map(|text| text.trim().parse().map_err(|_| ErrorCode::MalformedXML)).transpose()?;
    let mut rule = CorsRule {
        id: id.map(str::to_owned),
        origins: Vec::new(),
        methods: Vec::new(),
        headers: Vec::new(),
        exposed: Vec::new(),
        max_age,
    };
    for xml::Element { name, text, .. } in &element.children {
        match name.as_str() {
            "AllowedOrigin" => {
                let pattern = CorsPattern::parse(text.as_str());
                rule.origins.push(pattern.ok_or_else(|| refusal(CorsError::Origin(text.clone())))?);
            }
            "AllowedMethod" => {
                let method = CorsMethod::parse(text);
                rule.methods.push(method.ok_or_else(|| refusal(CorsError::Method(text.clone())))?);
            }
            "AllowedHeader" => {
                let pattern = CorsPattern::parse(text.as_str());
                rule.headers.push(pattern.ok_or_else(|| refusal(CorsError::Header(text.clone())))?);
            }
            "ExposeHeader" => rule.exposed.push(text.clone()),
            "ID" | "MaxAgeSeconds" => {}
            _ => return Err(ErrorCode::MalformedXML.into()),
        }
    }
    Ok(rule)
}

/// The text of an element that may occur once.
fn single<'e>(element: &'e xml::Element, name: &'e str) -> Result<Option<&'e str>, S3Error> {
    let mut all = element.all(name);
    let first = all.next().map(|element| element.text.as_str());
    if all.next().is_some() { Err(ErrorCode::MalformedXML.into()) } else { Ok(first) }
}

fn refusal(error: CorsError) -> S3Error {
    match error {
        CorsError::Incomplete => ErrorCode::MalformedXML.into(),
        CorsError::TooMany
        | CorsError::Origin(_)
        | CorsError::Header(_)
        | CorsError::Method(_)
        | CorsError::ExposedWildcard(_)
        | CorsError::Exposed(_)
        | CorsError::Id
        | CorsError::SameId(_) => S3Error::new(ErrorCode::InvalidRequest, error.to_string()),
    }
}

pub(super) fn document(rules: &CorsRules) -> Response {
    reply::document("CORSConfiguration", |w| {
        for rule in rules.iter() {
            w.element("CORSRule", |w| {
                if let Some(id) = &rule.id {
                    w.text("ID", id);
                }
                rule.methods.iter().for_each(|method| w.text("AllowedMethod", method.as_str()));
                rule.origins.iter().for_each(|origin| w.text("AllowedOrigin", origin.as_str()));
                rule.headers.iter().for_each(|header| w.text("AllowedHeader", header.as_str()));
                rule.exposed.iter().for_each(|name| w.text("ExposeHeader", name));
                if let Some(seconds) = rule.max_age {
                    w.number("MaxAgeSeconds", seconds);
                }
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::Body;

    fn wrapped(rule: &str) -> String {
        format!("<CORSConfiguration><CORSRule>{rule}</CORSRule></CORSConfiguration>")
    }

    const LEAST: &str = "<AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>";

    #[test]
    fn the_document_we_show_is_one_we_take_back() {
        let full = wrapped(&format!(
            "<ID>one</ID>{LEAST}<AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader>\
             <ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds>"
        ));
        let rules = read(full.as_bytes()).expect("rules");
        let rule = rules.iter().next().expect("one");
        assert_eq!((rule.id.as_deref(), rule.max_age, rule.methods.len()), (Some("one"), Some(3000), 2));
        let Body::Full(written) = document(&rules).into_body() else { panic!("a document") };
        assert_eq!(read(&written).expect("reads"), rules);
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_said_in_the_words_of_s3() {
        let refused = |rule: &str| {
            let error = read(wrapped(rule).as_bytes()).expect_err("refused");
            (error.code, error.message)
        };
        for (rule, words) in [
            (LEAST.replace("GET", "PATCH"), "Unsupported method is PATCH"),
            (LEAST.replace("GET", "get"), "Unsupported method is get"),
            (LEAST.replace('*', "a*b*"), "AllowedOrigin \"a*b*\" can not have more than one wildcard."),
            (format!("{LEAST}<AllowedHeader>**</AllowedHeader>"), "AllowedHeader \"**\" can not have"),
            (format!("{LEAST}<ExposeHeader>*</ExposeHeader>"), "ExposeHeader \"*\" contains wildcard."),
        ] {
            let (code, message) = refused(&rule);
            assert_eq!(code, ErrorCode::InvalidRequest, "{rule}");
            assert!(message.contains(words), "{message}");
        }
        for malformed in [
            "",
            "<AllowedMethod>GET</AllowedMethod>",
            "<AllowedOrigin>*</AllowedOrigin>",
            &format!("{LEAST}<MaxAgeSeconds>-1</MaxAgeSeconds>"),
            &format!("{LEAST}<MaxAgeSeconds>1</MaxAgeSeconds><MaxAgeSeconds>1</MaxAgeSeconds>"),
            &format!("{LEAST}<Unknown/>"),
        ] {
            assert_eq!(refused(malformed).0, ErrorCode::MalformedXML, "{malformed}");
        }
        for document in ["<CORSConfiguration/>", "<CORSConfiguration><Rule/></CORSConfiguration>", "<Other/>"]
        {
            assert_eq!(read(document.as_bytes()).expect_err("refused").code, ErrorCode::MalformedXML);
        }
    }
}
