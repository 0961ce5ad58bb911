//! Declares a section of settings once: its struct, how it is read, shown and compared, and its rows in the
//! reference.

use super::{
    error::{ConfigError, ConfigErrors, is_like, nearest},
    tree::{Node, Raw, Table},
    value::{Context, Setting},
};

/// The value of a key that no source sets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fallback {
    /// This text, read as if a source had set it.
    Text(&'static str),
    /// No value; the text says what that means.
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

impl Row {
    /// The rows of the section that is embedded, if there is one.
    pub(super) const fn of_embedded(embedded: &[&'static [Self]]) -> &'static [Self] {
        if embedded.is_empty() { &[] } else { embedded[0] }
    }

    /// `N` rows: those of a section, then those of the one that it embeds.
    pub(super) const fn joined<const N: usize>(own: &[Self], embedded: &[Self]) -> [Self; N] {
        let mut all = [Self { name: "", kind: "", fallback: Fallback::Required, help: "" }; N];
        let mut at = 0;
        while at < N {
            all[at] = if at < own.len() { own[at] } else { embedded[at - own.len()] };
            at += 1;
        }
        all
    }
}

pub(super) trait Section: Sized {
    const ABOUT: &'static str;
    const ROWS: &'static [Row];
    /// Reads the section, or returns all problems.
    fn read(reader: &mut Reader<'_>) -> Result<Self, ConfigErrors>;
    /// Returns keys and values as TOML, with secrets hidden. Unset keys have no value.
    fn show(&self) -> Vec<(&'static str, Option<String>)>;
    /// Returns the keys whose values differ. Secrets are compared, too.
    fn changed(&self, other: &Self) -> Vec<&'static str>;
}

/// Declares a struct of settings; see the module's documentation. `..http: Http = (TIMEOUT, MAX_REQUESTS)`
/// at the end embeds the settings that all backends over HTTP share, with two defaults.
macro_rules! section {
    ($(#[doc = $about:literal])+ $name:ident {
        $($(#[doc = $help:literal])+ $field:ident: $type:ty = $fallback:expr,)*
        $(..$http:ident: $shared:ty = ($timeout:literal, $max_requests:literal),)?
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[doc = $help])+ pub $field: $type,)*
            $(
                #[doc = concat!("How its requests are sent. `timeout` is ", $timeout, " if it is not set.")]
                pub $http: $shared,
            )?
        }

        impl Section for $name {
            const ABOUT: &'static str = concat!($($about),+);
            const ROWS: &'static [Row] = {
                const OWN: &[Row] = &[
                    $(Row {
                        name: stringify!($field),
                        kind: <$type as Setting>::KIND,
                        fallback: $fallback,
                        help: concat!($($help),+),
                    },)*
                ];
                const EMBEDDED: &[&[Row]] = &[$(&<$shared>::rows($timeout, $max_requests),)?];
                const COUNT: usize = OWN.len() + Row::of_embedded(EMBEDDED).len();
                &Row::joined::<COUNT>(OWN, Row::of_embedded(EMBEDDED))
            };

            fn read(reader: &mut Reader<'_>) -> Result<Self, ConfigErrors> {
                let wrong = &mut reader.unknown(Self::ROWS);
                $(let $field = wrong.note(reader.field(stringify!($field), $fallback));)*
                $(
                    let rows = <$shared>::rows($timeout, $max_requests);
                    let $http = wrong.note(<$shared>::read(reader, &rows));
                )?
                let (Some(()), $(Some($field),)* $(Some($http),)?) =
                    (wrong.is_empty().then_some(()), $($field,)* $($http,)?)
                else {
                    return Err(std::mem::take(wrong));
                };
                Ok(Self { $($field,)* $($http,)? })
            }

            fn show(&self) -> Vec<(&'static str, Option<String>)> {
                let own: Vec<(&'static str, Option<String>)> =
                    vec![$((stringify!($field), self.$field.show())),*];
                [own, $(self.$http.show(),)?].concat()
            }

            // A section without keys compares nothing.
            #[allow(unused_variables)]
            fn changed(&self, other: &Self) -> Vec<&'static str> {
                let differ: Vec<(&'static str, bool)> = vec![$((stringify!($field), self.$field != other.$field)),*];
                let differ = differ.into_iter().filter(|(_, differs)| *differs);
                let own: Vec<&'static str> = differ.map(|(name, _)| name).collect();
                [own, $(self.$http.changed(&other.$http),)?].concat()
            }
        }
    };
}
pub(super) use section;

/// Reads the entries of one table.
pub(super) struct Reader<'a> {
    /// The path as messages show it: `server`, `backend.disk`, `identity[0]`.
    path: String,
    entries: Table,
    /// Keys of this table that another section reads: they are not unknown.
    apart: &'static [Row],
    /// Keys that were given in a wrong spelling: they are not reported as missing, too.
    misspelt: Vec<String>,
    origin: super::error::Origin,
    context: &'a Context<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        path: impl Into<String>,
        node: Node,
        context: &'a Context<'a>,
    ) -> Result<Self, ConfigError> {
        let (path, origin) = (path.into(), node.origin);
        match node.raw {
            Raw::Table(entries) => {
                Ok(Self { path, entries, apart: &[], misspelt: Vec::new(), origin, context })
            }
            _ => Err(ConfigError::new(origin, format!("'{path}' is a section, not a value"))),
        }
    }

    /// Returns a problem for each key that is not among these rows.
    pub(super) fn unknown(&mut self, rows: &[Row]) -> ConfigErrors {
        let (mut wrong, mut misspelt) = (ConfigErrors::default(), Vec::new());
        let known = || rows.iter().chain(self.apart).map(|row| row.name);
        for (name, node) in self.entries.iter().filter(|(name, _)| !known().any(|row| row == name)) {
            let mut problem = format!("unknown key '{}.{name}'", self.path);
            match nearest(name, known()) {
                Some(near) => {
                    problem += &format!("; did you mean '{}.{near}'?", self.path);
                    misspelt.extend(is_like(name, near).then(|| near.to_owned()));
                }
                None if rows.is_empty() && self.apart.is_empty() => problem += "; this section has none",
                None => problem += &format!("; the keys here are {}", known().collect::<Vec<_>>().join(", ")),
            }
            wrong.push(ConfigError::new(node.origin.clone(), problem));
        }
        self.misspelt = misspelt;
        wrong
    }

    /// Takes out the entries that `rows` name, as a section with the same path. It is for keys that several
    /// sections have in common.
    pub(super) fn set_apart(&mut self, rows: &'static [Row]) -> Self {
        let apart = |(name, _): &(String, Node)| rows.iter().any(|row| row.name == name);
        let (entries, rest) = std::mem::take(&mut self.entries).into_iter().partition(apart);
        (self.entries, self.apart) = (rest, rows);
        let (path, origin) = (self.path.clone(), self.origin.clone());
        Self { path, entries, apart: &[], misspelt: Vec::new(), origin, context: self.context }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.entries.iter().position(|(entry, _)| entry == name)?;
        Some(self.entries.remove(at).1)
    }

    pub(super) fn row<T: Setting>(&mut self, row: &Row) -> Result<T, ConfigErrors> {
        self.field(row.name, row.fallback)
    }

    /// Reads one key. An error without a problem means that the problem was reported already.
    pub(super) fn field<T: Setting>(
        &mut self,
        name: &'static str,
        fallback: Fallback,
    ) -> Result<T, ConfigErrors> {
        let path = format!("{}.{name}", self.path);
        let context = Context { key: &path, ..*self.context };
        match (self.take(name), fallback) {
            (Some(node), _) => T::parse(&node, &context)
                .map_err(|why| ConfigError::new(node.origin.clone(), format!("{path} {why}")).into()),
            (None, Fallback::Text(text)) => T::parse(&Node::text(text, self.origin.clone()), &context)
                .map_err(|why| self.error(format!("{path} {why}")).into()),
            (None, _) => T::absent().ok_or_else(|| {
                if self.misspelt.iter().any(|near| near == name) {
                    ConfigErrors::default()
                } else {
                    self.missing(name, T::KIND).into()
                }
            }),
        }
    }

    pub(super) fn missing(&self, name: &str, kind: &str) -> ConfigError {
        self.error(format!("{}.{name} is missing; it must be {kind}", self.path))
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::new(self.origin.clone(), problem)
    }
}
