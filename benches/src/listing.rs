//! Reads the XML of ListObjectsV2 as far as the benchmark and the crash test need it.
//!
//! Owns: entries, common prefixes, the continuation token. Does not own: XML in general; the servers under
//! test write plain elements, and a listing without the expected elements is an error, not an empty page.

use anyhow::{Context, Result};

#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Entry {
    pub key: String,
    pub size: u64,
    pub etag: String,
}

#[derive(Debug, Default)]
pub struct Page {
    pub entries: Vec<Entry>,
    pub prefixes: usize,
    pub token: Option<String>,
}

pub fn parse(xml: &str) -> Result<Page> {
    between(xml, "<ListBucketResult", "</ListBucketResult>")
        .with_context(|| format!("not a listing: {xml:.300}"))?;
    let truncated = between(xml, "<IsTruncated>", "</IsTruncated>") == Some("true");
    let token = between(xml, "<NextContinuationToken>", "</NextContinuationToken>").map(unescape);
    let token = if truncated { Some(token.context("a truncated listing without a token")?) } else { None };
    let entries = xml.split("<Contents>").skip(1).map(entry).collect::<Result<_>>()?;
    Ok(Page { entries, prefixes: xml.matches("<CommonPrefixes>").count(), token })
}

fn entry(xml: &str) -> Result<Entry> {
    let field = |name: &str| {
        between(xml, &format!("<{name}>"), &format!("</{name}>"))
            .map(unescape)
            .with_context(|| format!("an entry without {name}: {xml:.300}"))
    };
    Ok(Entry {
        key: field("Key")?,
        size: field("Size")?.parse().context("Size of an entry")?,
        // Not every server under test lists ETags. The crash test compares this field, so a missing ETag is
        // found there.
        etag: field("ETag").map(|etag| etag.trim_matches('"').to_owned()).unwrap_or_default(),
    })
}

pub fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let rest = &text[text.find(open)? + open.len()..];
    rest.find(close).map(|end| &rest[..end])
}

pub fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_page_yields_its_entries_and_token() -> Result<()> {
        let xml = "<ListBucketResult xmlns=\"x\"><IsTruncated>true</IsTruncated><Contents><Key>a/b</Key><ETag>&quot;e1&quot;</ETag>\
                   <Size>7</Size></Contents><CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>\
                   <NextContinuationToken>t+/=</NextContinuationToken></ListBucketResult>";
        let page = parse(xml)?;
        assert_eq!(page.entries, [Entry { key: "a/b".into(), size: 7, etag: "e1".into() }]);
        assert_eq!((page.prefixes, page.token.as_deref()), (1, Some("t+/=")));
        Ok(())
    }

    #[test]
    fn an_error_document_is_not_an_empty_listing() {
        assert!(parse("<Error><Code>NoSuchBucket</Code></Error>").is_err());
    }
}
