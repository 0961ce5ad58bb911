//! Filters and distinguished names with a gap for the name of a user.
//!
//! Invariant: whatever a client sends is one value of a filter (RFC 4515) or of a distinguished name (RFC
//! 4514). It never adds to the structure of either.

use ldap3::{dn_escape, ldap_escape, parse_filter};

/// `%s` stands for the name of a user, `%d` for its distinguished name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(String);

impl Template {
    /// `None`: the text is no filter.
    pub(super) fn filter(text: &str) -> Option<Self> {
        let template = Self(text.to_owned());
        parse_filter(template.filter_for("user", "dc=example")).is_ok().then_some(template)
    }

    pub(super) fn name(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The filter for a user.
    pub(super) fn filter_for(&self, user: &str, dn: &str) -> String {
        self.filled(&ldap_escape(user), &ldap_escape(dn))
    }

    /// The distinguished name of a user.
    pub(super) fn name_of(&self, user: &str) -> String {
        self.filled(&dn_escape(user), "")
    }

    /// In one pass: what is filled in is never read as a gap.
    fn filled(&self, user: &str, dn: &str) -> String {
        let mut filled = String::with_capacity(self.0.len() + user.len() + dn.len());
        let mut rest = self.0.as_str();
        while let Some((before, after)) = rest.split_once('%') {
            filled.push_str(before);
            rest = match after.as_bytes().first() {
                Some(b's') => {
                    filled.push_str(user);
                    &after[1..]
                }
                Some(b'd') => {
                    filled.push_str(dn);
                    &after[1..]
                }
                _ => {
                    filled.push('%');
                    after
                }
            };
        }
        filled + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_user_is_one_value_of_a_filter() {
        let template = Template::filter("(&(objectClass=person)(uid=%s))").expect("a filter");
        let filter = template.filter_for("*)(uid=*", "");
        assert_eq!(filter, r"(&(objectClass=person)(uid=\2a\29\28uid=\2a))");
        assert_eq!(template.filter_for("a\\b\0", ""), r"(&(objectClass=person)(uid=a\5cb\00))");
        let groups = Template::filter("(|(member=%d)(memberUid=%s))").expect("a filter");
        let filter = groups.filter_for("%d", r"cn=a\2c (b),dc=x");
        assert_eq!(filter, r"(|(member=cn=a\5c2c \28b\29,dc=x)(memberUid=%d))");
    }

    #[test]
    fn the_name_of_a_user_is_one_value_of_a_distinguished_name() {
        let template = Template::name("uid=%s,ou=people,dc=example");
        assert_eq!(template.name_of("bob"), "uid=bob,ou=people,dc=example");
        assert_eq!(template.name_of("eve,ou=admins"), r"uid=eve\2cou\3dadmins,ou=people,dc=example");
        assert_eq!(template.name_of(" x+y "), r"uid=\20x\2by\20,ou=people,dc=example");
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in ["uid=%s)", "((uid=%s)", "%s", "(uid=%s", ""] {
            assert_eq!(Template::filter(text), None, "{text}");
        }
    }
}
