//! Profile files as operators write them, and where they lead.

use super::*;

fn profiles(config: &str, credentials: &str) -> Profiles {
    let mut profiles = Profiles::default();
    profiles.add(config, Which::Config);
    profiles.add(credentials, Which::Credentials);
    profiles
}

fn keys(id: &str) -> Base {
    let (access_key_id, secret_access_key) = (id.into(), "secret".into());
    Base::Keys(AwsKeys { access_key_id, secret_access_key, session_token: None })
}

const CONFIG: &str = "
# a comment
[default]
region = eu-central-1 ; why not
s3 =
  region = not-this-one
  aws_access_key_id = nor-this
[profile  dev]
REGION=eu-west-3
credential_process = /bin/give --key a#b # the one
[profile inner]
role_arn = arn:inner
source_profile = base
external_id = 42
duration_seconds = 900
[profile outer]
role_arn = arn:outer
role_session_name = me
source_profile = inner
[profile own]
role_arn = arn:own
source_profile = own
aws_access_key_id = own
aws_secret_access_key = secret
[profile instance]
role_arn = arn:i
credential_source = Ec2InstanceMetadata
[profile web]
role_arn = arn:w
web_identity_token_file = /run/token
[profile region-only]
region = us-east-1
[profile sso]
sso_session = corp
[profile circle]
role_arn = arn:c
source_profile = circle2
[profile circle2]
role_arn = arn:c
source_profile = circle
[profile lost]
role_arn = arn:l
source_profile = nowhere
[profile empty]
role_arn = arn:e
source_profile = region-only
[profile mfa]
role_arn = arn:m
source_profile = base
mfa_serial = arn:device
[profile odd]
role_arn = arn:o
credential_source = Moon
[sso-session corp]
region = not-a-profile
[not-a-profile]
region = x
";

const CREDENTIALS: &str = "
[default]
aws_access_key_id = first
aws_secret_access_key = secret
[base]
aws_access_key_id=base
aws_secret_access_key=secret
[profile dev]
region = not-in-this-file
";

#[test]
fn both_files_are_read_as_the_sdks_read_them() {
    let profiles = profiles(CONFIG, CREDENTIALS);
    for (name, region) in [
        ("default", Some("eu-central-1")),
        ("dev", Some("eu-west-3")),
        ("base", None),
        ("not-a-profile", None),
        ("corp", None),
    ] {
        assert_eq!(profiles.region(name).as_deref(), region, "{name}");
    }
    assert!(!profiles.has("not-a-profile") && !profiles.has("corp"));
}

#[test]
fn what_is_in_the_credentials_file_wins() {
    let config = "[default]\naws_access_key_id = other\naws_secret_access_key = secret";
    let route = profiles(config, CREDENTIALS).route("default").unwrap().unwrap();
    assert_eq!(route.base, keys("first"));
}

#[test]
fn profiles_lead_to_keys() {
    let role =
        |arn: &str| Role { arn: arn.to_owned(), session: None, external_id: None, duration: None };
    let inner = || Role {
        external_id: Some("42".to_owned()),
        duration: Some("900".to_owned()),
        ..role("arn:inner")
    };
    let outer = Role { session: Some("me".to_owned()), ..role("arn:outer") };
    let web = WebIdentity { token_file: "/run/token".into(), arn: "arn:w".into(), session: None };
    let profiles = profiles(CONFIG, CREDENTIALS);
    for (name, base, roles) in [
        ("default", keys("first"), vec![]),
        ("dev", Base::Process("/bin/give --key a#b".to_owned()), vec![]),
        ("inner", keys("base"), vec![inner()]),
        ("outer", keys("base"), vec![inner(), outer]),
        ("own", keys("own"), vec![role("arn:own")]),
        ("instance", Base::Instance, vec![role("arn:i")]),
        ("web", Base::WebIdentity(web), vec![]),
    ] {
        assert_eq!(profiles.route(name), Ok(Some(Route { base, roles })), "{name}");
    }
    assert_eq!(profiles.route("region-only"), Ok(None));
}

#[test]
fn profiles_that_lead_nowhere_say_why() {
    let profiles = profiles(CONFIG, CREDENTIALS);
    for (name, why) in [
        ("circle", "in a circle"),
        ("lost", "`nowhere` does not exist"),
        ("empty", "`region-only` holds no credentials"),
        ("mfa", "a code from a device"),
        ("odd", "`credential_source`"),
        ("sso", "export-credentials"),
    ] {
        let Unobtained(reason) = profiles.route(name).unwrap_err();
        assert!(reason.contains(why), "{name}: {reason}");
    }
}
