//! XML documents of requests.

#![no_main]

use causeway::xml::{self, Element, Writer};
use libfuzzer_sys::fuzz_target;

fn write(element: &Element, writer: &mut Writer) {
    if element.children.is_empty() {
        writer.text(&element.name, &element.text);
    } else {
        writer
            .element(&element.name, |writer| element.children.iter().for_each(|child| write(child, writer)));
    }
}

/// Removes text beside child elements, which S3 ignores.
fn leaf_text_only(mut element: Element) -> Element {
    if !element.children.is_empty() {
        element.text.clear();
    }
    element.children = element.children.into_iter().map(leaf_text_only).collect();
    element
}

fuzz_target!(|document: &[u8]| {
    for root in
        ["Delete", "CompleteMultipartUpload", "Tagging", "CreateBucketConfiguration", "AccessControlPolicy"]
    {
        let Ok(element) = xml::parse(document, root) else { continue };
        let element = leaf_text_only(element);
        let mut writer = Writer::document();
        write(&element, &mut writer);
        let again = xml::parse(&writer.finish(), root).expect("what was read can be written and read");
        assert_eq!(again, element);
    }
});
