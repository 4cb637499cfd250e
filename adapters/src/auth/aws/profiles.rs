//! AWS profile files, and how a profile leads to keys ("Shared config and credentials files" and
//! "Assume role credential provider" in the SDKs reference guide).
//!
//! Reading is done first, the way is then found without any I/O, and only then walked.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use crate::auth::aws::sts::{Role, WebIdentity};
use crate::auth::environment::Environment;
use crate::auth::fetch::read_at_once;
use crate::auth::refreshing::Unobtained;
use crate::auth::sigv4::AwsKeys;

/// All profiles of both files. They hold secrets, so they do not print.
#[derive(Default)]
pub(super) struct Profiles(BTreeMap<String, Profile>);

/// The properties of one profile, their names in lower case.
type Profile = BTreeMap<String, String>;

/// The way to a profile's keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) base: Base,
    /// The roles to assume, the first one first.
    pub(super) roles: Vec<Role>,
}

/// Where a way begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// Keys that stand in the profile.
    Keys(AwsKeys),
    /// A role for another identity provider's token.
    WebIdentity(WebIdentity),
    /// A command that prints keys.
    Process(String),
    /// The environment's keys.
    Environment,
    /// The container's.
    Container,
    /// The instance's.
    Instance,
}

/// Which of the two files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Config,
    Credentials,
}

/// The most roles in a row. More are a circle or a mistake.
const MOST_ROLES: usize = 8;

/// The profile that is meant.
pub(super) fn name(written: Option<&str>, environment: &Environment) -> String {
    let named = || environment.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]);
    written.map(str::to_owned).or_else(named).unwrap_or_else(|| "default".to_owned())
}

// === impl Profiles ===

impl Profiles {
    /// Reads both files; one that is not there is empty. What stands in the credentials file wins.
    pub(super) fn read(environment: &Environment) -> Result<Self, Unobtained> {
        let mut profiles = Self::default();
        for (variable, usual, which) in [
            ("AWS_CONFIG_FILE", ".aws/config", Which::Config),
            ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", Which::Credentials),
        ] {
            let named = environment.path(variable);
            let Some(path) = named.or_else(|| environment.at_home(usual)) else { continue };
            match read_at_once(&path) {
                Ok(text) => profiles.add(&text, which),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(Unobtained(format!("cannot read {}: {error}", path.display())));
                }
            }
        }
        Ok(profiles)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn region(&self, name: &str) -> Option<String> {
        self.0.get(name)?.get("region").cloned()
    }

    /// The way to the keys of this profile; `None` if it says nothing of keys.
    pub(super) fn route(&self, name: &str) -> Result<Option<Route>, Unobtained> {
        let wrong = |at: &str, what: &str| Unobtained(format!("the AWS profile `{at}` {what}"));
        let mut roles = Vec::new();
        let mut at = name.to_owned();
        loop {
            let profile = self.0.get(&at).ok_or_else(|| wrong(&at, "does not exist"))?;
            let Some(role) =
                role(profile).filter(|_| !profile.contains_key("web_identity_token_file"))
            else {
                let base = base(profile).map_err(|what| wrong(&at, what))?;
                return route_from(base, roles).map_err(|what| wrong(&at, what));
            };
            if profile.contains_key("mfa_serial") {
                return Err(wrong(&at, "wants a code from a device, which a gateway has not"));
            }
            roles.push(role);
            if roles.len() > MOST_ROLES {
                return Err(wrong(name, "assumes roles in a circle"));
            }
            match (profile.get("source_profile"), profile.get("credential_source")) {
                // A profile that is its own source assumes its role with its own keys.
                (Some(source), None) if *source == at => {
                    return route_from(own_keys(profile).map(Base::Keys), roles)
                        .map_err(|what| wrong(&at, what));
                }
                (Some(source), None) => at.clone_from(source),
                (None, Some(source)) => {
                    let base = surrounding(source)
                        .ok_or_else(|| wrong(&at, "has an unknown `credential_source`"))?;
                    return route_from(Some(base), roles).map_err(|what| wrong(&at, what));
                }
                _ => return Err(wrong(&at, "needs `source_profile` or `credential_source`")),
            }
        }
    }

    /// Takes in one file's text. Lines that say nothing here are passed over, as the SDKs do.
    fn add(&mut self, text: &str, which: Which) {
        let mut current: Option<String> = None;
        for line in text.lines() {
            // What is indented belongs to the property above it (`s3 =`); none of those matter.
            let nested = line.starts_with([' ', '\t']);
            let line = line.trim();
            if nested || line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = line.strip_prefix('[') {
                let section = section.split(']').next().unwrap_or_default();
                current = profile_name(section, which);
                if let Some(name) = &current {
                    self.0.entry(name.clone()).or_default();
                }
                continue;
            }
            if let (Some(name), Some((key, value))) = (&current, line.split_once('='))
                && let Some(profile) = self.0.get_mut(name)
            {
                profile.insert(key.trim().to_ascii_lowercase(), uncommented(value).to_owned());
            }
        }
    }
}

/// The profile that a section's head names. `config` says `[profile x]`, save for `[default]`.
fn profile_name(section: &str, which: Which) -> Option<String> {
    let section = section.trim();
    let name = match (which, section.split_once(char::is_whitespace)) {
        (Which::Config, Some(("profile", name))) => name.trim(),
        (Which::Config, None) if section == "default" => section,
        (Which::Credentials, None) => section,
        _ => return None,
    };
    Some(name.to_owned())
}

/// A value without the comment after it, which needs a space before its mark.
fn uncommented(value: &str) -> &str {
    let comment = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| value.find(mark)).min();
    value[..comment.unwrap_or(value.len())].trim()
}

// === what a profile says ===

fn role(profile: &Profile) -> Option<Role> {
    let get = |name: &str| profile.get(name).cloned();
    Some(Role {
        arn: get("role_arn")?,
        session: get("role_session_name"),
        external_id: get("external_id"),
        duration: get("duration_seconds"),
    })
}

fn own_keys(profile: &Profile) -> Option<AwsKeys> {
    let get = |name: &str| profile.get(name).filter(|value| !value.is_empty());
    Some(AwsKeys {
        access_key_id: get("aws_access_key_id")?.as_str().into(),
        secret_access_key: get("aws_secret_access_key")?.as_str().into(),
        session_token: get("aws_session_token").map(|token| token.as_str().into()),
    })
}

/// Where a profile's keys begin, if it says.
fn base(profile: &Profile) -> Result<Option<Base>, &'static str> {
    if let Some(file) = profile.get("web_identity_token_file") {
        let role = role(profile).ok_or("needs a `role_arn` for its web identity")?;
        let (token_file, session) = (file.into(), role.session);
        let identity = WebIdentity { token_file, arn: role.arn, session };
        return Ok(Some(Base::WebIdentity(identity)));
    }
    if let Some(keys) = own_keys(profile) {
        return Ok(Some(Base::Keys(keys)));
    }
    if let Some(command) = profile.get("credential_process") {
        return Ok(Some(Base::Process(command.clone())));
    }
    if profile.contains_key("sso_session") || profile.contains_key("sso_start_url") {
        return Err("logs in by SSO; add a profile with `credential_process = aws configure \
                    export-credentials --profile …` and name that");
    }
    Ok(None)
}

fn surrounding(source: &str) -> Option<Base> {
    match source {
        "Environment" => Some(Base::Environment),
        "EcsContainer" => Some(Base::Container),
        "Ec2InstanceMetadata" => Some(Base::Instance),
        _ => None,
    }
}

/// The way from this base by roles that were found from the last to the first.
fn route_from(base: Option<Base>, mut roles: Vec<Role>) -> Result<Option<Route>, &'static str> {
    roles.reverse();
    match base {
        Some(base) => Ok(Some(Route { base, roles })),
        None if roles.is_empty() => Ok(None),
        None => Err("holds no credentials to assume a role with"),
    }
}

#[cfg(test)]
mod tests;
