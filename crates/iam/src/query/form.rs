//! The parameters of a call: names and values, and lists of them (`Tags.member.1.Key`).
//!
//! Invariants: a parameter is there once, because of two with one name it would be open which one counts; no
//! value is in a `Debug` form, because one may be a password.

use super::error::{Code, QueryError};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The parameters of a call, decoded.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form(BTreeMap<String, String>);

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One entry of a list: its fields by name. A list of plain values has one field without a name.
pub(crate) type Fields<'f> = BTreeMap<&'f str, &'f str>;

impl Form {
    pub fn new(pairs: Vec<(String, String)>) -> Result<Self, QueryError> {
        let mut form = BTreeMap::new();
        for (name, value) in pairs {
            if form.contains_key(&name) {
                let message = format!("The parameter {name} must not be repeated");
                return Err(QueryError::new(Code::ValidationError, message));
            }
            form.insert(name, value);
        }
        Ok(Self(form))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn needed(&self, name: &str) -> Result<&str, QueryError> {
        self.get(name).ok_or_else(|| {
            let message = format!("1 validation error detected: Value null at '{name}' must not be null");
            QueryError::new(Code::ValidationError, message)
        })
    }

    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, QueryError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                let message = format!("The value of {name} is not a number, or out of range");
                QueryError::new(Code::ValidationError, message)
            })
        };
        self.get(name).map(parse).transpose()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, QueryError> {
        match self.get(name) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(QueryError::new(
                Code::ValidationError,
                format!("The value of {name} must be true or false"),
            )),
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The entries of a list, in the order of their numbers.
    pub(crate) fn list(&self, name: &str) -> Vec<Fields<'_>> {
        let prefix = format!("{name}.member.");
        let mut entries: BTreeMap<u32, Fields<'_>> = BTreeMap::new();
        for (name, value) in &self.0 {
            let Some(rest) = name.strip_prefix(&prefix) else { continue };
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(number) = number.parse() {
                entries.entry(number).or_default().insert(field, value);
            }
        }
        entries.into_values().collect()
    }

    /// The values of a list of plain values.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.list(name).into_iter().filter_map(|fields| fields.get("").copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Result<Form, QueryError> {
        Form::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn lists_are_in_the_order_of_their_numbers() {
        let form = form(&[
            ("Tags.member.10.Key", "b"),
            ("Tags.member.2.Key", "a"),
            ("Tags.member.2.Value", "1"),
            ("TagKeys.member.1", "x"),
        ])
        .expect("a form");
        let tags = form.list("Tags");
        assert_eq!(tags, [Fields::from([("Key", "a"), ("Value", "1")]), Fields::from([("Key", "b")])]);
        assert_eq!(form.values("TagKeys"), ["x"]);
        assert!(form.list("Tag").is_empty());
    }

    #[test]
    fn a_debug_form_shows_names_only() {
        let form = form(&[("LDAPPassword", "hunter2")]).expect("a form");
        assert_eq!(format!("{form:?}"), r#"{"LDAPPassword"}"#);
    }

    #[test]
    fn a_repeated_parameter_is_refused() {
        assert!(form(&[("Action", "a"), ("Action", "b")]).is_err());
    }
}
