//! The resources that a statement names.
//!
//! Invariant: each pattern of a bucket policy can match only that bucket and what is in it, or every bucket
//! alike.

use crate::{
    arn::{Arn, ArnPattern},
    context::Context,
    pattern::{Pattern, Syntax},
};

#[derive(Debug, Clone)]
pub(crate) struct Resources(Vec<ArnPattern>);

/// The part of an ARN that names a bucket and a key.
const LAST: usize = 5;

impl Resources {
    pub(crate) fn parse(names: &[&str], variables: bool) -> Result<Self, String> {
        let syntax = Syntax { wildcards: true, variables };
        let parse = |name: &&str| {
            let pattern = ArnPattern::parse(name, syntax)?;
            let is_wrong = match &pattern {
                ArnPattern::Any => false,
                ArnPattern::Whole(_) => true,
                ArnPattern::Components { patterns, .. } => {
                    patterns[..LAST].iter().any(Pattern::has_variables)
                }
            };
            if is_wrong {
                return Err(format!("{name:?} has a variable before its fifth colon"));
            }
            Ok(pattern)
        };
        names.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn has(&self, text: &str, arn: Option<&Arn<'_>>, context: &Context<'_>) -> bool {
        self.0.iter().any(|pattern| pattern.matches(text, arn, context))
    }
}

/// What a resource of a bucket policy covers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Covers {
    pub(crate) bucket: bool,
    pub(crate) objects: bool,
}

/// What a name, as it is written in a bucket policy, covers of a bucket. `None`: it is of another bucket.
pub(crate) fn covers(name: &str, bucket: &str) -> Option<Covers> {
    if name == "*" {
        return Some(Covers { bucket: true, objects: true });
    }
    let parts: Vec<&str> = name.splitn(LAST + 1, ':').collect();
    let [arn, partition, service, region, account, path] = parts.as_slice() else { return None };
    let is_s3 = [(*arn, "arn"), (*partition, "aws"), (*service, "s3"), (*region, ""), (*account, "")]
        .iter()
        .all(|(written, wanted)| matches_plainly(written, wanted));
    let (of_bucket, key) = path.split_once('/').map_or((*path, None), |(bucket, key)| (bucket, Some(key)));
    if !is_s3 || !matches_plainly(of_bucket, bucket) {
        return None;
    }
    // A wildcard at the end of the bucket's part goes on into keys.
    let goes_on = of_bucket.contains('*');
    Some(Covers { bucket: key.is_none(), objects: key.is_some() || goes_on })
}

fn matches_plainly(pattern: &str, text: &str) -> bool {
    let syntax = Syntax { wildcards: true, variables: false };
    Pattern::parse(pattern, syntax).is_ok_and(|pattern| pattern.matches(text, &Context::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_covers_the_bucket_its_objects_both_or_is_of_another_bucket() {
        let covered = |name| covers(name, "b").map(|covers| (covers.bucket, covers.objects));
        assert_eq!(covered("arn:aws:s3:::b"), Some((true, false)));
        assert_eq!(covered("arn:aws:s3:::b/*"), Some((false, true)));
        assert_eq!(covered("arn:aws:s3:::b*"), Some((true, true)));
        assert_eq!(covered("*"), Some((true, true)));
        for name in
            ["arn:aws:s3:::bb", "arn:aws:s3:::c/*", "b", "arn:aws:iam:::b", "arn:aws:s3:::${aws:username}/*"]
        {
            assert_eq!(covered(name), None, "{name}");
        }
    }
}
