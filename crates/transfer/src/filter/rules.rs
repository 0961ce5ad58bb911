//! Ordered rules that include or exclude, as rclone has them: the first one that matches decides.
//!
//! Invariant: where no rule matches, a name is included, unless there is an `include`.

use super::glob::{Below, Glob, PatternError};

/// The rules as they are written, each with rclone's syntax.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RuleTexts {
    /// Patterns. Each includes, and all together exclude the rest.
    pub include: Vec<String>,
    /// Patterns that exclude.
    pub exclude: Vec<String>,
    /// `+ pattern`, `- pattern`, or `!`, which clears all rules before it.
    pub filter: Vec<String>,
    pub ignore_case: bool,
}

/// Returns the rules or patterns of a file: empty lines, and lines that begin with `#` or `;`, are none.
pub fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
        .map(str::to_owned)
        .collect()
}

#[derive(Debug, Clone, Default)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    includes: bool,
    glob: Glob,
}

impl Rules {
    /// Reads rules for names.
    pub(super) fn of_names(texts: &RuleTexts) -> Result<Self, PatternError> {
        Self::read(texts, |includes, pattern| {
            Ok(match pattern.ends_with('/') {
                // Everything in the folder is excluded.
                true if !includes => Some(Glob::rclone(&format!("{pattern}**"), texts.ignore_case)?),
                // The rule speaks of a folder, and of no name in it. Which folders have to be listed is known
                // without it.
                true => {
                    Glob::rclone(pattern, texts.ignore_case)?;
                    None
                }
                false => Some(Glob::rclone(pattern, texts.ignore_case)?),
            })
        })
    }

    /// Reads rules for lines such as `key=value`.
    pub(super) fn of_lines(texts: &RuleTexts) -> Result<Self, PatternError> {
        Self::read(texts, |_, pattern| Glob::text(pattern, texts.ignore_case).map(Some))
    }

    fn read(
        texts: &RuleTexts,
        parse: impl Fn(bool, &str) -> Result<Option<Glob>, PatternError>,
    ) -> Result<Self, PatternError> {
        let mut rules = Vec::new();
        let add = |rules: &mut Vec<Rule>, includes, pattern: &str| {
            rules.extend(parse(includes, pattern)?.map(|glob| Rule { includes, glob }));
            Ok(())
        };
        for pattern in &texts.include {
            add(&mut rules, true, pattern)?;
        }
        for pattern in &texts.exclude {
            add(&mut rules, false, pattern)?;
        }
        for rule in &texts.filter {
            match (rule.trim(), rule.split_at_checked(2)) {
                ("!", _) => rules.clear(),
                (_, Some(("+ ", pattern))) => add(&mut rules, true, pattern)?,
                (_, Some(("- ", pattern))) => add(&mut rules, false, pattern)?,
                _ => {
                    let why = "a rule is '+ pattern', '- pattern' or '!'";
                    return Err(PatternError { pattern: rule.clone(), why });
                }
            }
        }
        if !texts.include.is_empty() {
            add(&mut rules, false, "**")?;
        }
        Ok(Self(rules))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn include(&self, name: &str) -> bool {
        self.0.iter().find(|rule| rule.glob.matches(name)).is_none_or(|rule| rule.includes)
    }

    /// Decides about several lines at once: the first rule that matches any of them decides.
    pub(super) fn include_any(&self, lines: &[String]) -> bool {
        let matches = |rule: &&Rule| lines.iter().any(|line| rule.glob.matches(line));
        self.0.iter().find(matches).is_none_or(|rule| rule.includes)
    }

    /// Returns whether no name below a folder can be included. The folder's name ends with `/`.
    pub(super) fn exclude_all_below(&self, folder: &str) -> bool {
        for rule in &self.0 {
            match (rule.glob.below(folder), rule.includes) {
                (Below::None, _) | (Below::Perhaps, false) => {}
                (Below::Perhaps | Below::All, true) => return false,
                (Below::All, false) => return true,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(filter: &str) -> Rules {
        Rules::of_names(&RuleTexts { filter: lines(filter), ..Default::default() }).expect("rules")
    }

    fn texts(include: &[&str], exclude: &[&str]) -> RuleTexts {
        let owned = |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        RuleTexts { include: owned(include), exclude: owned(exclude), ..Default::default() }
    }

    #[test]
    fn the_filter_files_of_rclones_documentation_keep_what_it_says() {
        let first = rules(
            "# a sample filter rule file\n- secret*.jpg\n+ *.jpg\n+ *.png\n+ file2.avi\n\
             - /dir/Trash/**\n+ /dir/**\n- *\n",
        );
        for (name, kept) in [
            ("file1.jpg", true),
            ("sub/secret17.jpg", false),
            ("file2.avi", true),
            ("sub/file3.png", true),
            ("dir/anything", true),
            ("dir/Trash/x", false),
            ("other/x.txt", false),
        ] {
            assert_eq!(first.include(name), kept, "{name}");
        }
        let cleared = rules("+ *.jpg\n+ *.gif\n!\n+ 42.doc\n- *");
        assert!(cleared.include("42.doc") && !cleared.include("a.jpg"));
        let folders = rules("- /dir1/\n- /dir2/\n+ *.pdf\n- **");
        assert!(folders.include("a.pdf") && folders.include("dir3/a.pdf"));
        assert!(!folders.include("dir1/sub/a.pdf") && !folders.include("a.txt"));
    }

    #[test]
    fn includes_exclude_the_rest_and_excludes_do_not() {
        let of = |texts: RuleTexts| Rules::of_names(&texts).expect("rules");
        let included = of(texts(&["*.{png,jpg}"], &[]));
        assert!(included.include("a/b.png") && !included.include("b.txt"));
        let excluded = of(texts(&[], &["*.bak", "/dir/**"]));
        assert!(!excluded.include("x/a.bak") && !excluded.include("dir/a") && excluded.include("a"));
        let folder_alone = of(texts(&["/directory/"], &[]));
        assert!(!folder_alone.include("directory/a"), "a rule for a folder includes no file");
        assert!(of(RuleTexts::default()).include("anything"));
        let filter = rules("+ *.jpg");
        assert!(filter.include("a.txt"), "a '+' of a filter excludes nothing");
    }

    #[test]
    fn a_folder_is_left_out_only_if_nothing_in_it_can_be_included() {
        let of = |filter: &str, folder| rules(filter).exclude_all_below(folder);
        assert!(of("- /dir/**", "dir/") && of("- dir/", "a/dir/") && of("- *", "any/"));
        assert!(!of("+ /dir/keep.txt\n- /dir/**", "dir/"));
        assert!(of("+ /dir/keep.txt\n- /dir/**", "dir/sub/"));
        assert!(of("+ /a/*.jpg\n- *", "b/") && !of("+ /a/*.jpg\n- *", "a/"));
        assert!(!of("- *.jpg", "a/") && !of("+ *.jpg\n- *", "a/"));
    }

    #[test]
    fn a_rule_without_a_sign_is_refused_by_name() {
        let error = Rules::of_names(&RuleTexts { filter: vec!["*.jpg".into()], ..Default::default() })
            .expect_err("no sign");
        assert_eq!(error.pattern, "*.jpg");
    }
}
