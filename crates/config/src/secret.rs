//! Secrets in a configuration: given as plain text, sealed, or by the name of a variable or a file that holds
//! them.

use super::{
    tree::{Node, Raw},
    value::{Context, Setting, quote},
};
use crate::model::Secret;
use std::path::PathBuf;

/// A secret and its source. The source can be shown.
#[derive(Debug, Clone)]
pub struct SecretSetting {
    pub secret: Secret,
    source: SecretOrigin,
}

/// Compares the secrets, not their sources.
impl PartialEq for SecretSetting {
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret
    }
}

#[derive(Debug, Clone)]
enum SecretOrigin {
    Plain,
    Environment(String),
    File(PathBuf),
    /// The sealed text itself: it reveals nothing without the key.
    Sealed(String),
}

impl Setting for SecretSetting {
    const KIND: &'static str =
        "a secret: \"text\", { env = \"VARIABLE\" }, { file = \"path\" } or { sealed = \"v1:…\" }";

    fn parse(node: &Node, context: &Context<'_>) -> Result<Self, String> {
        // The value may be a secret in the wrong form, so messages here never repeat it.
        let wrong = || Err(format!("must be {}", Self::KIND));
        let (text, source) = match &node.raw {
            Raw::Text(text) => (text.clone(), SecretOrigin::Plain),
            Raw::Table(table) => match table.as_slice() {
                [(kind, Node { raw: Raw::Text(from), .. })] if kind == "env" => {
                    let text = context
                        .environment
                        .get(from)
                        .ok_or_else(|| format!("names the variable {from}, which is not set"))?;
                    (text.clone(), SecretOrigin::Environment(from.clone()))
                }
                [(kind, Node { raw: Raw::Text(from), .. })] if kind == "file" => {
                    let text = std::fs::read_to_string(from)
                        .map_err(|error| format!("names the file {from}: {error}"))?;
                    // Editors and `echo` end a file with a newline that is not part of the secret.
                    (text.trim_end_matches(['\r', '\n']).to_owned(), SecretOrigin::File(from.into()))
                }
                [(kind, Node { raw: Raw::Text(sealed), .. })] if kind == "sealed" => {
                    (context.seal.find()?.unseal(context.key, sealed)?, SecretOrigin::Sealed(sealed.clone()))
                }
                _ => return wrong(),
            },
            _ => return wrong(),
        };
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        Ok(Self { secret: Secret::new(text), source })
    }

    fn show(&self) -> Option<String> {
        Some(match &self.source {
            SecretOrigin::Plain => quote("(hidden)"),
            SecretOrigin::Environment(name) => format!("{{ env = {} }}", quote(name)),
            SecretOrigin::Sealed(sealed) => format!("{{ sealed = {} }}", quote(sealed)),
            SecretOrigin::File(path) => format!("{{ file = {} }}", quote(&path.to_string_lossy())),
        })
    }
}
