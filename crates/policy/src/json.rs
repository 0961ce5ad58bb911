//! JSON as policies need it: elements keep their order, and an element that is named twice is an error.
//!
//! A parser that keeps the last of two equal names would let a policy look narrower than it is.

use crate::error::{Flaw, MalformedPolicy};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use std::{collections::HashSet, fmt};

#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Self, MalformedPolicy> {
        serde_json::from_str(text).map_err(|error| MalformedPolicy::new(Flaw::Syntax, "", error.to_string()))
    }

    /// The JSON type, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    fn wrong(&self, at: &str, wanted: &str) -> MalformedPolicy {
        MalformedPolicy::new(Flaw::Type, at, format!("must be {wanted}, but is {}", self.kind()))
    }

    pub(crate) fn text(&self, at: &str) -> Result<&str, MalformedPolicy> {
        let Self::Text(text) = self else { return Err(self.wrong(at, "a string")) };
        Ok(text)
    }

    pub(crate) fn object(&self, at: &str) -> Result<&[(String, Self)], MalformedPolicy> {
        let Self::Object(members) = self else { return Err(self.wrong(at, "an object")) };
        Ok(members)
    }

    /// One value, or a list of them that is not empty.
    pub(crate) fn one_or_more(&self, at: &str) -> Result<&[Self], MalformedPolicy> {
        match self {
            Self::List(list) if list.is_empty() => {
                Err(MalformedPolicy::new(Flaw::Value, at, "must not be an empty list"))
            }
            Self::List(list) => Ok(list),
            single => Ok(std::slice::from_ref(single)),
        }
    }

    /// One string, or a list of strings that is not empty.
    pub(crate) fn texts(&self, at: &str) -> Result<Vec<&str>, MalformedPolicy> {
        let wrong = |item: &Self| item.wrong(at, "a string or a list of strings");
        self.one_or_more(at)?
            .iter()
            .map(|item| if let Self::Text(text) = item { Ok(text.as_str()) } else { Err(wrong(item)) })
            .collect()
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Builder)
    }
}

struct Builder;

impl<'de> Visitor<'de> for Builder {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let (mut members, mut names) = (Vec::new(), HashSet::new());
        while let Some((name, value)) = entries.next_entry::<String, Json>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format_args!("element {name:?} is there twice")));
            }
            members.push((name, value));
        }
        Ok(Json::Object(members))
    }
}
