//! Records as JSON objects: the object's fields, and among them those of the storage that keeps the record.
//!
//! A form says in which order its fields are written, so that a record has the same bytes in every version of
//! the program. They are read in any order. Names that a form does not have are ignored: a newer version may
//! have written them. A record in which a name comes twice, or a required one does not come, is unreadable.

use super::{fields::Field, object::ObjectRecord};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::{Map, Value};
use std::{fmt, marker::PhantomData};

/// A form in which records are stored. The implementing type has the storage's own fields: those that say of
/// which bytes the record is, and where they are.
pub trait Form: DeserializeOwned {
    /// All fields, in the order in which they are written.
    const ORDER: &'static [Slot];

    /// Writes the field of the storage's own that has this name, unless it says nothing.
    fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error>;
}

/// A place in the order of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A field of the storage's own, by its name.
    Own(&'static str),
    /// A field of the object.
    Of(Field),
    /// All fields of the object that have no slot of their own.
    Rest,
}

/// A record with the fields of the storage that keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<F> {
    pub own: F,
    pub object: ObjectRecord,
}

impl<F: Form> Serialize for Stored<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(&self.own, &self.object, serializer)
    }
}

impl<'de, F: Form> Deserialize<'de> for Stored<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading(PhantomData))
    }
}

/// The form of a record that nothing is added to.
#[derive(Deserialize)]
struct Bare {}

impl Form for Bare {
    const ORDER: &'static [Slot] = &[Slot::Rest];

    fn write<M: SerializeMap>(&self, _name: &'static str, _map: &mut M) -> Result<(), M::Error> {
        Ok(())
    }
}

impl Serialize for ObjectRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(&Bare {}, self, serializer)
    }
}

impl<'de> Deserialize<'de> for ObjectRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Stored::<Bare>::deserialize(deserializer).map(|stored| stored.object)
    }
}

fn write<F: Form, S: Serializer>(own: &F, object: &ObjectRecord, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for slot in F::ORDER {
        match slot {
            Slot::Own(name) => own.write(name, &mut map)?,
            Slot::Of(field) => object.write(*field, &mut map)?,
            Slot::Rest => {
                for field in Field::ALL.iter().filter(|field| !F::ORDER.contains(&Slot::Of(**field))) {
                    object.write(*field, &mut map)?;
                }
            }
        }
    }
    map.end()
}

/// Whether the form has this field of the object.
fn has(order: &[Slot], field: Field) -> bool {
    order.iter().any(|slot| matches!(slot, Slot::Rest) || *slot == Slot::Of(field))
}

struct Reading<F>(PhantomData<F>);

impl<'de, F: Form> Visitor<'de> for Reading<F> {
    type Value = Stored<F>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the record of an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Stored<F>, M::Error> {
        let mut object = ObjectRecord::unsaid();
        let (mut own, mut seen) = (Map::new(), [false; Field::ALL.len()]);
        while let Some(name) = map.next_key_seed(Names(F::ORDER))? {
            match name {
                Name::Of(field) if seen[field as usize] => {
                    return Err(M::Error::duplicate_field(field.name()));
                }
                Name::Of(field) => {
                    seen[field as usize] = true;
                    object.read(field, &mut map)?;
                }
                Name::Own(name) => {
                    if own.insert(name.to_owned(), map.next_value()?).is_some() {
                        return Err(M::Error::duplicate_field(name));
                    }
                }
                Name::Unknown => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let lacks = |field: &&Field| field.is_required() && has(F::ORDER, **field) && !seen[**field as usize];
        if let Some(field) = Field::ALL.iter().find(lacks) {
            return Err(M::Error::missing_field(field.name()));
        }
        let own = serde_json::from_value(Value::Object(own)).map_err(M::Error::custom)?;
        Ok(Stored { own, object })
    }
}

/// What a name means in a form.
enum Name {
    Own(&'static str),
    Of(Field),
    Unknown,
}

/// Reads a name of a form with this order, without a copy of it.
struct Names(&'static [Slot]);

impl<'de> DeserializeSeed<'de> for Names {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Names {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        let own = self.0.iter().find_map(|slot| match slot {
            Slot::Own(own) if *own == name => Some(Name::Own(own)),
            _ => None,
        });
        let of = || Field::ALL.iter().find(|field| field.name() == name && has(self.0, **field));
        Ok(own.or_else(|| of().map(|field| Name::Of(*field))).unwrap_or(Name::Unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            Attributes, CanonicalId, ObjectLock, Restore, Retention, RetentionMode, Timestamp, VersionId,
        },
        records,
    };
    use proptest::prelude::*;

    #[derive(Debug, Clone, PartialEq, Deserialize)]
    struct Own {
        v: u8,
        note: Option<String>,
    }

    impl Form for Own {
        const ORDER: &'static [Slot] =
            &[Slot::Own("v"), Slot::Of(Field::ETag), Slot::Own("note"), Slot::Rest];

        fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
            match name {
                "v" => map.serialize_entry(name, &self.v),
                _ if self.note.is_none() => Ok(()),
                _ => map.serialize_entry(name, &self.note),
            }
        }
    }

    fn read(text: &str) -> serde_json::Result<Stored<Own>> {
        serde_json::from_str(text)
    }

    #[test]
    fn fields_are_written_in_the_order_of_the_form_and_read_in_any() {
        let text = r#"{"v":1,"etag":"e","note":"n","size":3,"modified":7,"acl":"public-read"}"#;
        let stored = read(text).expect("a record");
        assert_eq!(serde_json::to_string(&stored).expect("a text"), text);
        let mixed = r#"{"acl":"public-read","modified":7,"note":"n","size":3,"new":[{}],"v":1,"etag":"e"}"#;
        assert_eq!(read(mixed).expect("a record"), stored);
    }

    #[test]
    fn a_record_needs_its_size_time_and_etag_once() {
        for text in [
            r#"{"v":1,"size":3,"modified":7}"#,
            r#"{"v":1,"etag":"e","size":3}"#,
            r#"{"v":1,"etag":"e","modified":7}"#,
            r#"{"etag":"e","size":3,"modified":7}"#,
            r#"{"v":1,"etag":"e","size":3,"modified":7,"size":3}"#,
            r#"{"v":1,"etag":"e","size":3,"modified":7,"v":1}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn attributes_have_the_same_form_alone_and_in_a_record() {
        let attributes = records::full().attributes;
        let object = ObjectRecord { attributes: attributes.clone(), ..records::plain() };
        let mut alone = serde_json::to_value(&object).expect("JSON");
        let fields = alone.as_object_mut().expect("an object");
        fields.retain(|name, _| !["size", "modified", "etag"].contains(&name.as_str()));
        assert_eq!(alone, serde_json::to_value(&attributes).expect("JSON"));
        assert_eq!(serde_json::from_value::<Attributes>(alone).expect("attributes"), attributes);
    }

    #[test]
    fn states_are_written_as_ever() {
        let object = ObjectRecord {
            version: Some(VersionId::NULL),
            lock: Some(ObjectLock::UNREADABLE),
            sealed: [("scheme".to_owned(), "1".to_owned())].into(),
            restore: Some(Restore::Ongoing { days: 3 }),
            ..records::plain()
        };
        let retention = Some(Retention { mode: RetentionMode::Governance, until: Timestamp::from_millis(5) });
        let other = ObjectRecord {
            version: VersionId::parse("v1"),
            lock: Some(ObjectLock { retention, legal_hold: false }),
            sealed: object.sealed.clone(),
            restore: Some(Restore::Done { until: Timestamp::from_millis(9) }),
            ..records::plain()
        };
        let lines = [object, other].map(|object| {
            let text = serde_json::to_string(&object).expect("a text");
            assert_eq!(serde_json::from_str::<ObjectRecord>(&text).expect("a record"), object);
            text
        });
        records::is_golden("states.json", &lines);
    }

    #[test]
    fn an_owner_is_written_only_if_it_is_not_that_of_the_bucket() {
        let object = |owner| {
            let attributes = Attributes { owner, ..Attributes::default() };
            ObjectRecord { attributes, ..records::plain() }
        };
        let all = [object(None), object(CanonicalId::parse("42b0"))];
        let lines = all.map(|object| {
            let text = serde_json::to_string(&object).expect("a text");
            assert_eq!(serde_json::from_str::<ObjectRecord>(&text).expect("a record"), object);
            text
        });
        records::is_golden("owner.json", &lines);
        let impossible = lines[1].replace("42b0", "4-2");
        assert!(serde_json::from_str::<ObjectRecord>(&impossible).is_err());
    }

    proptest! {
        #[test]
        fn every_record_comes_back(
            object in records::any_record(),
            v in any::<u8>(),
            note in any::<Option<String>>(),
        ) {
            let bare = serde_json::to_string(&object).expect("a text");
            prop_assert_eq!(&serde_json::from_str::<ObjectRecord>(&bare).expect("a record"), &object);
            let stored = Stored { own: Own { v, note }, object };
            let text = serde_json::to_string(&stored).expect("a text");
            prop_assert_eq!(read(&text).expect("a record"), stored);
        }
    }
}
