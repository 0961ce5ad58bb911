//! The shapes of documents that are kept as they come: which elements there are, how often, and what is in
//! them.
//!
//! Owns the checker and the shapes of configurations. Invariant: what is rewritten is what was read, without
//! anything that the shape does not have; so it can be shown later without another look.

use super::xml::{Element, Writer};

/// An element of a document.
#[derive(Debug)]
pub(super) struct Shape {
    name: &'static str,
    occurs: Occurs,
    content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occurs {
    Once,
    AtMostOnce,
    OnceOrMore,
    Any,
}

impl Occurs {
    fn admits(self, count: usize) -> bool {
        match self {
            Self::Once => count == 1,
            Self::AtMostOnce => count <= 1,
            Self::OnceOrMore => count >= 1,
            Self::Any => true,
        }
    }
}

#[derive(Debug)]
enum Content {
    /// Text of at most so many bytes.
    Text(usize),
    Word(&'static [&'static str]),
    /// A number within a range.
    Number(u32, u32),
    Elements(&'static [Shape]),
    /// Exactly one of these elements, or none.
    OneOf(&'static [Shape]),
}

use Content::{Elements, Number, OneOf, Text, Word};
use Occurs::{Any, AtMostOnce, Once, OnceOrMore};

const fn shape(occurs: Occurs, name: &'static str, content: Content) -> Shape {
    Shape { name, occurs, content }
}

const MAX_KEY: usize = 1024;
/// An ARN of S3 is no longer.
const MAX_ARN: usize = 512;

const ID: Shape = shape(Once, "Id", Text(64));
const PREFIX: Shape = shape(AtMostOnce, "Prefix", Text(MAX_KEY));
const ACCESS_POINT: Shape = shape(AtMostOnce, "AccessPointArn", Text(MAX_ARN));

const fn tag(occurs: Occurs) -> Shape {
    const TAG: &[Shape] = &[shape(Once, "Key", Text(512)), shape(Once, "Value", Text(1024))];
    shape(occurs, "Tag", Elements(TAG))
}

/// `Filter` of analytics and intelligent tiering.
const FILTER: Shape = {
    const AND: &[Shape] = &[PREFIX, tag(Any)];
    const FILTERS: &[Shape] = &[PREFIX, tag(AtMostOnce), shape(AtMostOnce, "And", Elements(AND))];
    shape(AtMostOnce, "Filter", OneOf(FILTERS))
};

/// AnalyticsConfiguration.
pub(super) const ANALYTICS: &[Shape] = {
    const DESTINATION: &[Shape] = &[
        shape(Once, "Format", Word(&["CSV"])),
        shape(AtMostOnce, "BucketAccountId", Text(64)),
        shape(Once, "Bucket", Text(MAX_ARN)),
        PREFIX,
    ];
    const DESTINATIONS: &[Shape] = &[shape(Once, "S3BucketDestination", Elements(DESTINATION))];
    const EXPORT: &[Shape] = &[
        shape(Once, "OutputSchemaVersion", Word(&["V_1"])),
        shape(Once, "Destination", Elements(DESTINATIONS)),
    ];
    const ANALYSIS: &[Shape] = &[shape(AtMostOnce, "DataExport", Elements(EXPORT))];
    &[ID, FILTER, shape(Once, "StorageClassAnalysis", Elements(ANALYSIS))]
};

/// IntelligentTieringConfiguration.
pub(super) const TIERING: &[Shape] = {
    const TIER: &[Shape] = &[
        shape(Once, "Days", Number(90, 730)),
        shape(Once, "AccessTier", Word(&["ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS"])),
    ];
    const STATUS: Shape = shape(Once, "Status", Word(&["Enabled", "Disabled"]));
    &[ID, FILTER, STATUS, shape(OnceOrMore, "Tiering", Elements(TIER))]
};

/// MetricsConfiguration.
pub(super) const METRICS: &[Shape] = {
    const AND: &[Shape] = &[PREFIX, tag(Any), ACCESS_POINT];
    const FILTERS: &[Shape] =
        &[PREFIX, tag(AtMostOnce), ACCESS_POINT, shape(AtMostOnce, "And", Elements(AND))];
    &[ID, shape(AtMostOnce, "Filter", OneOf(FILTERS))]
};

/// The content of an element of this shape, as XML. `None`: it has another shape.
pub(super) fn rewritten(element: &Element, shapes: &[Shape]) -> Option<String> {
    let mut writer = Writer::fragment();
    write(&mut writer, element, shapes)?;
    String::from_utf8(writer.finish().to_vec()).ok()
}

fn write(writer: &mut Writer, element: &Element, shapes: &[Shape]) -> Option<()> {
    let is_known = |child: &Element| shapes.iter().any(|shape| shape.name == child.name);
    if !element.text.trim().is_empty() || !element.children.iter().all(is_known) {
        return None;
    }
    for shape in shapes {
        if !shape.occurs.admits(element.all(shape.name).count()) {
            return None;
        }
        for child in element.all(shape.name) {
            let mut whole = None;
            writer.element(shape.name, |writer| whole = write_content(writer, child, &shape.content));
            whole?;
        }
    }
    Some(())
}

fn write_content(writer: &mut Writer, element: &Element, content: &Content) -> Option<()> {
    let text = match content {
        Elements(shapes) => return write(writer, element, shapes),
        OneOf(_) if element.children.len() > 1 => return None,
        OneOf(shapes) => return write(writer, element, shapes),
        Text(limit) => Some(element.text.as_str()).filter(|text| text.len() <= *limit),
        Word(words) => words.iter().copied().find(|word| *word == element.text.trim()),
        Number(least, most) => Some(element.text.trim())
            .filter(|text| text.parse().is_ok_and(|number: u32| (*least..=*most).contains(&number))),
    };
    if !element.children.is_empty() {
        return None;
    }
    writer.content(text?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::xml;

    fn read(content: &str, shapes: &[Shape]) -> Option<String> {
        rewritten(&xml::parse(format!("<C>{content}</C>").as_bytes(), "C").expect("well formed"), shapes)
    }

    #[test]
    fn a_document_of_its_shape_is_kept_as_it_came_without_blanks_between_elements() {
        let full = "<Id>report</Id><Filter><And><Prefix>a&amp;b</Prefix><Tag><Key>k</Key><Value>v</Value></Tag>\
                    <Tag><Key>l</Key><Value></Value></Tag></And></Filter><StorageClassAnalysis><DataExport>\
                    <OutputSchemaVersion>V_1</OutputSchemaVersion><Destination><S3BucketDestination>\
                    <Format>CSV</Format><Bucket>arn:aws:s3:::reports</Bucket><Prefix>p</Prefix>\
                    </S3BucketDestination></Destination></DataExport></StorageClassAnalysis>";
        assert_eq!(read(full, ANALYTICS).as_deref(), Some(full));
        let spread = full.replace("><", ">\n  <").replace("<Value>\n  </Value>", "<Value></Value>");
        assert_eq!(read(&spread, ANALYTICS).as_deref(), Some(full));
        let tiering = "<Id>t</Id><Status>Enabled</Status><Tiering><Days>90</Days>\
                       <AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering>";
        assert_eq!(read(tiering, TIERING).as_deref(), Some(tiering));
        let metrics =
            "<Id>m</Id><Filter><AccessPointArn>arn:aws:s3:r:1:accesspoint/a</AccessPointArn></Filter>";
        assert_eq!(read(metrics, METRICS).as_deref(), Some(metrics));
        assert_eq!(read("<Id>all</Id>", METRICS).as_deref(), Some("<Id>all</Id>"));
    }

    #[test]
    fn elements_that_are_missing_unknown_repeated_or_wrong_are_refused() {
        for (content, shapes) in [
            ("", METRICS),
            ("<Id>a</Id><Id>b</Id>", METRICS),
            ("<Id>a</Id><Other/>", METRICS),
            ("<Id><Id>a</Id></Id>", METRICS),
            ("text<Id>a</Id>", METRICS),
            ("<Id>a</Id><Filter><Prefix>p</Prefix><And/></Filter>", METRICS),
            ("<Id>a</Id><Filter><Tag><Key>k</Key></Tag></Filter>", METRICS),
            ("<Id>a</Id>", ANALYTICS),
            ("<Id>a</Id><Status>enabled</Status>", TIERING),
            ("<Id>a</Id><Status>Enabled</Status>", TIERING),
            (
                "<Id>a</Id><Status>Enabled</Status><Tiering><Days>89</Days>\
                 <AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering>",
                TIERING,
            ),
        ] {
            assert_eq!(read(content, shapes), None, "{content}");
        }
        let long = format!("<Id>a</Id><Filter><Prefix>{}</Prefix></Filter>", "p".repeat(MAX_KEY + 1));
        assert_eq!(read(&long, METRICS), None);
    }
}
