//! Declaring a section once: a struct, how it is read, how it is shown, and its rows in the reference.

use super::{
    error::{ConfigError, nearest},
    tree::{Node, Raw, Table},
    value::{Context, Setting},
};

/// What a key that nobody said is worth.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fallback {
    /// This text, read as if somebody had said it.
    Text(&'static str),
    /// Nothing; the words say what that means.
    Unset(&'static str),
    Required,
}

/// One key, for reading and for the reference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) fallback: Fallback,
    pub(super) help: &'static str,
}

pub(super) trait Section: Sized {
    const ABOUT: &'static str;
    const ROWS: &'static [Row];
    fn read(reader: &mut Reader<'_>) -> Result<Self, ConfigError>;
    /// Keys and values as TOML, secrets hidden; unset keys have none.
    fn show(&self) -> Vec<(&'static str, Option<String>)>;
}

/// Declares a struct of settings; see the module's words.
macro_rules! section {
    ($(#[doc = $about:literal])+ $name:ident { $($(#[doc = $help:literal])+ $field:ident: $type:ty = $fallback:expr,)* }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name { $($(#[doc = $help])+ pub $field: $type),* }

        impl Section for $name {
            const ABOUT: &'static str = concat!($($about),+);
            const ROWS: &'static [Row] = &[
                $(Row { name: stringify!($field), kind: <$type as Setting>::KIND, fallback: $fallback, help: concat!($($help),+) }),*
            ];

            fn read(reader: &mut Reader<'_>) -> Result<Self, ConfigError> {
                reader.refuse_unknown(Self::ROWS)?;
                Ok(Self { $($field: reader.field(stringify!($field), $fallback)?),* })
            }

            fn show(&self) -> Vec<(&'static str, Option<String>)> {
                vec![$((stringify!($field), self.$field.show())),*]
            }
        }
    };
}
pub(super) use section;

/// The entries of one table, being read.
pub(super) struct Reader<'a> {
    /// As in messages: `server`, `backend.disk`, `identity[0]`.
    path: String,
    entries: Table,
    /// Keys that are understood here and read elsewhere.
    apart: &'static [Row],
    origin: super::error::Origin,
    context: &'a Context<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: impl Into<String>, node: Node, context: &'a Context<'a>) -> Result<Self, ConfigError> {
        let (path, origin) = (path.into(), node.origin);
        match node.raw {
            Raw::Table(entries) => Ok(Self { path, entries, apart: &[], origin, context }),
            _ => Err(ConfigError::new(origin, format!("'{path}' is a section, not a value"))),
        }
    }

    pub(super) fn refuse_unknown(&self, rows: &[Row]) -> Result<(), ConfigError> {
        let known = || rows.iter().chain(self.apart).map(|row| row.name);
        let Some((name, node)) = self.entries.iter().find(|(name, _)| !known().any(|row| row == name)) else { return Ok(()) };
        let mut problem = format!("unknown key '{}.{name}'", self.path);
        match nearest(name, known()) {
            Some(near) => problem += &format!("; did you mean '{}.{near}'?", self.path),
            None if rows.is_empty() && self.apart.is_empty() => problem += "; this section has none",
            None => problem += &format!("; the keys here are {}", known().collect::<Vec<_>>().join(", ")),
        }
        Err(ConfigError::new(node.origin.clone(), problem))
    }

    /// The entries that `rows` name, as a section of their own with the same path: what several sections have in common.
    pub(super) fn set_apart(&mut self, rows: &'static [Row]) -> Self {
        let apart = |(name, _): &(String, Node)| rows.iter().any(|row| row.name == name);
        let (entries, rest) = std::mem::take(&mut self.entries).into_iter().partition(apart);
        (self.entries, self.apart) = (rest, rows);
        Self { path: self.path.clone(), entries, apart: &[], origin: self.origin.clone(), context: self.context }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.entries.iter().position(|(entry, _)| entry == name)?;
        Some(self.entries.remove(at).1)
    }

    pub(super) fn field<T: Setting>(&mut self, name: &'static str, fallback: Fallback) -> Result<T, ConfigError> {
        let path = format!("{}.{name}", self.path);
        let context = Context { key: &path, ..*self.context };
        match (self.take(name), fallback) {
            (Some(node), _) => T::parse(&node, &context).map_err(|why| ConfigError::new(node.origin.clone(), format!("{path} {why}"))),
            (None, Fallback::Text(text)) => {
                T::parse(&Node::text(text, self.origin.clone()), &context).map_err(|why| self.error(format!("{path} {why}")))
            }
            (None, _) => T::absent().ok_or_else(|| self.missing(name, T::KIND)),
        }
    }

    pub(super) fn missing(&self, name: &str, kind: &str) -> ConfigError {
        self.error(format!("{}.{name} is missing; it must be {kind}", self.path))
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::new(self.origin.clone(), problem)
    }
}
