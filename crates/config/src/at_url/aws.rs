//! Region and address of S3 in the files of AWS's tools. Credentials are not read here: the library that signs
//! requests reads those itself.

use std::{collections::BTreeMap, path::PathBuf};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
}

/// Returns what the profile says. A profile that was asked for by name must exist.
pub(super) fn profile(
    environment: &BTreeMap<String, String>,
    asked: Option<&str>,
) -> Result<Profile, String> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let named = asked.or(variable("AWS_PROFILE").map(String::as_str));
    let home = || Some(PathBuf::from(variable("HOME")?).join(".aws"));
    let file = |told: &str, name: &str| {
        variable(told).map(PathBuf::from).or_else(|| home().map(|home| home.join(name)))
    };
    let read = |path: Option<PathBuf>| path.and_then(|path| std::fs::read_to_string(path).ok());
    let config = read(file("AWS_CONFIG_FILE", "config")).unwrap_or_default();
    let name = named.unwrap_or("default");
    let section = if name == "default" { "default".to_owned() } else { format!("profile {name}") };
    let found = keys(&config, &section).or_else(|| keys(&config, name));
    let secrets = || read(file("AWS_SHARED_CREDENTIALS_FILE", "credentials")).unwrap_or_default();
    if let (Some(name), None) = (named, &found)
        && keys(&secrets(), name).is_none()
    {
        return Err(format!(
            "there is no profile '{name}' in the files of AWS's tools: ~/.aws/config and ~/.aws/credentials"
        ));
    }
    let found = found.unwrap_or_default();
    let key = |name: &str| found.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    Ok(Profile { region: key("region"), endpoint: key("endpoint_url") })
}

/// Returns the keys of a section with their values. Nested keys, which are indented, are left out.
fn keys(text: &str, section: &str) -> Option<Vec<(String, String)>> {
    let mut lines = text.lines();
    let is_section = |line: &str| {
        let name = line.trim().strip_prefix('[').and_then(|line| line.split_once(']')).map(|(name, _)| name);
        name.is_some_and(|name| name.split_whitespace().collect::<Vec<_>>().join(" ") == section)
    };
    lines.find(|line| is_section(line))?;
    let own = lines.take_while(|line| !line.starts_with('['));
    let pair = |line: &str| {
        let (key, value) = line.split_once('=')?;
        (!line.starts_with([' ', '\t', '#', ';'])).then(|| (key.trim().to_owned(), value.trim().to_owned()))
    };
    Some(own.filter_map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[default]\nregion = eu-west-3\n\n[profile work]\n# a remark\nregion=us-west-2\n\
                        endpoint_url = https://s3.example.com\ns3 =\n  region = nested\n[other]\nregion = x\n";

    #[test]
    fn a_profile_says_region_and_address() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("config");
        std::fs::write(&path, FILE).expect("written");
        let mut environment = BTreeMap::from([
            ("AWS_CONFIG_FILE".to_owned(), path.to_str().expect("UTF-8").to_owned()),
            ("HOME".to_owned(), dir.path().to_str().expect("UTF-8").to_owned()),
        ]);
        let of = |region: &str, endpoint: Option<&str>| Profile {
            region: Some(region.to_owned()),
            endpoint: endpoint.map(str::to_owned),
        };
        assert_eq!(profile(&environment, None), Ok(of("eu-west-3", None)));
        assert_eq!(profile(&environment, Some("work")), Ok(of("us-west-2", Some("https://s3.example.com"))));
        assert!(profile(&environment, Some("none")).is_err_and(|why| why.contains("no profile 'none'")));
        environment.insert("AWS_PROFILE".to_owned(), "work".to_owned());
        assert_eq!(profile(&environment, None), Ok(of("us-west-2", Some("https://s3.example.com"))));
        assert_eq!(profile(&BTreeMap::new(), None), Ok(Profile::default()));
    }
}
