//! Where Bedrock may process what it is sent.
//!
//! A model's id may begin with the prefix of a cross-region inference profile: its calls are answered
//! in any region of a geography, and `global.` ones in any commercial region (user guide, "Increase
//! throughput with cross-Region inference", "Geographic cross-Region inference", "Supported Regions
//! and models for inference profiles"). Each model's profile has a list of its own; the lists here
//! are their union, so that no region is missed.

use crate::places::Processing;

/// The prefixes of inference profiles, with the regions to which they send calls.
const PROFILES: [(&str, &[&str]); 7] = [
    ("us", &["us-east-1", "us-east-2", "us-west-1", "us-west-2"]),
    ("eu", &["eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3"]),
    (
        "apac",
        &[
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-northeast-3",
            "ap-south-1",
            "ap-south-2",
            "ap-southeast-1",
            "ap-southeast-2",
            "ap-southeast-4",
        ],
    ),
    ("jp", &["ap-northeast-1", "ap-northeast-3"]),
    ("au", &["ap-southeast-2", "ap-southeast-4"]),
    ("ca", &["ca-central-1", "ca-west-1"]),
    ("us-gov", &["us-gov-east-1", "us-gov-west-1"]),
];

/// Where calls to this model may be processed that are made in `region`, which is empty if nobody
/// said which.
pub fn processing_regions(model: &str, region: &str) -> Processing {
    let (id, region) = match in_arn(model) {
        Some((_, Resource::Opaque)) => return Processing::Unknown,
        Some((region_of_arn, Resource::Model(id))) => {
            (id, if region_of_arn.is_empty() { region } else { region_of_arn })
        }
        None => (model, region),
    };
    let prefix = id.split_once('.').map_or("", |(prefix, _)| prefix);
    if prefix == "global" {
        return Processing::Anywhere;
    }
    let profile = PROFILES.iter().find(|(known, _)| *known == prefix);
    let elsewhere = profile.map_or(&[][..], |(_, regions)| *regions);
    if region.is_empty() && elsewhere.is_empty() {
        return Processing::Unknown;
    }
    // The region that is called may always answer by itself.
    Processing::In(
        elsewhere
            .iter()
            .chain([&region])
            .filter(|region| !region.is_empty())
            .map(|region| (*region).to_owned())
            .collect(),
    )
}

/// What an ARN names.
enum Resource<'a> {
    /// A model or a profile of AWS's own, by its id.
    Model(&'a str),
    /// Something of the account's, whose name tells nothing.
    Opaque,
}

/// The region and the resource of an ARN: `arn:PARTITION:bedrock:REGION:ACCOUNT:TYPE/ID`.
fn in_arn(model: &str) -> Option<(&str, Resource<'_>)> {
    let mut parts = model.strip_prefix("arn:")?.splitn(5, ':').skip(2);
    let (region, _account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let (kind, id) = resource.split_once('/')?;
    let resource = match kind {
        "foundation-model" | "inference-profile" => Resource::Model(id),
        // These run where they were made.
        "provisioned-model" | "custom-model" | "imported-model" | "custom-model-deployment" => {
            Resource::Model("")
        }
        _ => Resource::Opaque,
    };
    Some((region, resource))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use isthmus_inference::place::country;

    fn countries(model: &str, region: &str) -> Vec<&'static str> {
        let Processing::In(regions) = processing_regions(model, region) else {
            panic!("{model} has no list")
        };
        let known: BTreeSet<_> = regions.iter().map(|region| country(region).unwrap()).collect();
        known.into_iter().collect()
    }

    #[test]
    fn a_prefix_tells_where_calls_may_go() {
        let claude = "anthropic.claude-sonnet-4-5-20250929-v1:0";
        let cases = [
            ("", "eu-central-1", vec!["DE"]),
            ("us.", "us-east-1", vec!["US"]),
            // Made in Canada, a call may stay there.
            ("us.", "ca-central-1", vec!["CA", "US"]),
            ("eu.", "eu-west-1", vec!["DE", "ES", "FR", "IE", "IT", "SE"]),
            ("eu.", "eu-west-2", vec!["DE", "ES", "FR", "GB", "IE", "IT", "SE"]),
            ("apac.", "ap-south-1", vec!["AU", "IN", "JP", "KR", "SG"]),
            ("jp.", "ap-northeast-1", vec!["JP"]),
            ("au.", "ap-southeast-2", vec!["AU"]),
            ("ca.", "ca-central-1", vec!["CA"]),
            ("us-gov.", "us-gov-west-1", vec!["US"]),
        ];
        for (prefix, region, expected) in cases {
            assert_eq!(countries(&format!("{prefix}{claude}"), region), expected, "{prefix}");
            let arn = format!("arn:aws:bedrock:{region}:1:inference-profile/{prefix}{claude}");
            assert_eq!(countries(&arn, "sa-east-1"), expected, "{arn}");
        }
    }

    #[test]
    fn without_a_region_only_a_profile_tells() {
        assert_eq!(processing_regions("anthropic.claude-sonnet-5", ""), Processing::Unknown);
        assert_eq!(countries("jp.anthropic.claude-sonnet-5", ""), ["JP"]);
    }

    #[test]
    fn what_is_not_known_is_said() {
        let cases = [
            ("global.anthropic.claude-sonnet-5", Processing::Anywhere),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", Processing::Unknown),
            ("arn:aws:bedrock:us-east-1:1:default-prompt-router/x", Processing::Unknown),
        ];
        for (model, expected) in cases {
            assert_eq!(processing_regions(model, "eu-west-1"), expected, "{model}");
        }
        assert_eq!(
            countries("arn:aws:bedrock:us-east-1:1:provisioned-model/x", "eu-west-1"),
            ["US"]
        );
        assert_eq!(
            countries("arn:aws:bedrock:eu-west-1::foundation-model/cohere.embed-v4:0", "us-east-1"),
            ["IE"]
        );
    }

    #[test]
    fn every_region_of_a_profile_has_a_country() {
        for (prefix, regions) in PROFILES {
            assert!(regions.iter().all(|region| country(region).is_some()), "{prefix}");
        }
    }
}
