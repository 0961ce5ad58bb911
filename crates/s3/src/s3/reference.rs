//! The reference of operations, `docs/operations.md`, made of their table. A test compares the two.

use super::operation::{Facts, Operation};
use std::fmt::Write;

const INTRODUCTION: &str = "# Operations\n\n\
    Every operation of S3, as the newest AWS SDK has it, and what becomes of it here. This page is made of the table in the source and\n\
    checked by a test. What becomes of each header and parameter of the operations that are served is in\n\
    [`conformance/parameters.toml`](../conformance/parameters.toml).\n\n\
    An operation that is not served is answered with 501 NotImplemented, which names it. The actions are those of IAM policies: what a\n\
    request must be allowed, and on what. Where a\n\
    request names a version, the action is the one for versions: `s3:GetObjectVersion` for `s3:GetObject`. A header that adds an action\n\
    is named with it; one that ends with `-` stands for all that begin so.\n\n\
    Requests whose path begins with `/v20180820/` are of S3's control plane, and name their account in `x-amz-account-id`. Its operations\n\
    that are not in the table are answered with 501, too.\n";

/// The whole page.
pub fn reference() -> String {
    let (served, refused): (Vec<&Facts>, Vec<&Facts>) =
        Operation::ALL.iter().map(|operation| operation.facts()).partition(|facts| facts.is_served());
    let mut page = format!("{INTRODUCTION}\n## Served: {}\n\n", served.len());
    page.push_str("| operation | request | parameters | actions |\n|---|---|---|---|\n");
    for facts in served {
        let parameters = facts.takes.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        // A write into a String does not fail.
        let _ = writeln!(
            page,
            "| {} | {} | {parameters} | {} |",
            facts.operation.as_str(),
            request(facts),
            actions(facts)
        );
    }
    let _ = write!(
        page,
        "\n## Not served: {}\n\n| operation | request | actions |\n|---|---|---|\n",
        refused.len()
    );
    for facts in refused {
        let _ = writeln!(page, "| {} | {} | {} |", facts.operation.as_str(), request(facts), actions(facts));
    }
    page
}

/// How a request names an operation.
fn request(facts: &Facts) -> String {
    let marks = facts.named.iter().map(|mark| format!(" `{mark}`"));
    format!("{} {}", facts.verb.as_str(), facts.scope.as_str()) + &marks.collect::<String>()
}

fn actions(facts: &Facts) -> String {
    let needs = facts.needs.iter().map(|need| format!("`{}` on {}", need.action.as_str(), need.on.as_str()));
    let also = facts.also.iter().map(|also| {
        let but = also.unless.map(|value| format!(" other than `{value}`")).unwrap_or_default();
        format!("`{}` with `{}`{but}", also.action.as_str(), also.header)
    });
    needs.chain(also).collect::<Vec<_>>().join(", ")
}
