//! Where Bedrock may process what it is sent.
//!
//! A model's id may begin with the prefix of a cross-region inference profile: its calls are answered
//! in any region of a geography, and `global.` ones in any commercial region. Each model's profile has
//! a list of its own, and which part of it counts depends on the region that is called; the lists here
//! are their union, so that no region is missed. The region that is called always counts besides.
//!
//! Sources, read in November 2026:
//! - AWS's user guide, "Geographic cross-Region inference" (a call stays in the geography where it was
//!   made) and "Cross Region support required for Bedrock Data Automation" (whose tables list `us`,
//!   `eu` and most of `apac` by the region that is called); its tables for models have moved to a page
//!   for each model.
//! - AWS's construct library, `CrossRegionInferenceProfileRegion`: `eu` may include London and Zurich,
//!   `apac` the Middle East (UAE) among others; `us-gov`, `jp`, `au`.
//! - AWS's blog, "Unlocking AI flexibility in Europe" (2026): calls made in regions of the European
//!   Union are not sent to regions outside it. "Run Generative AI inference with Amazon Bedrock in Asia
//!   Pacific (New Zealand)" (2026): of `au`, Auckland counts for calls made there alone.
//! - For `ca`, the description that the service gives of such a profile ("Routes requests to … in
//!   ca-central-1 and ca-west-1"), as operators published it; no page of AWS's lists it.
//!
//! What none of them states is taken to be wider, never narrower: a prefix that is not known here may
//! process anywhere.

use crate::places::Processing;

/// What a profile's prefix tells.
struct Profile {
    prefix: &'static str,
    /// Where its calls may always be sent.
    regions: &'static [&'static str],
    /// Where they may be sent besides, unless they are made in one of [`Profile::regions`].
    outside: &'static [&'static str],
}

const PROFILES: [Profile; 7] = [
    Profile {
        prefix: "us",
        regions: &["us-east-1", "us-east-2", "us-west-1", "us-west-2"],
        outside: &["ca-central-1", "ca-west-1"],
    },
    Profile {
        prefix: "eu",
        regions: &[
            "eu-central-1",
            "eu-north-1",
            "eu-south-1",
            "eu-south-2",
            "eu-west-1",
            "eu-west-3",
        ],
        outside: &["eu-central-2", "eu-west-2"],
    },
    Profile {
        prefix: "apac",
        regions: &[
            "ap-east-2",
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-northeast-3",
            "ap-south-1",
            "ap-south-2",
            "ap-southeast-1",
            "ap-southeast-2",
            "ap-southeast-3",
            "ap-southeast-4",
            "ap-southeast-5",
            "ap-southeast-7",
            "me-central-1",
        ],
        outside: &[],
    },
    Profile { prefix: "jp", regions: &["ap-northeast-1", "ap-northeast-3"], outside: &[] },
    Profile {
        prefix: "au",
        regions: &["ap-southeast-2", "ap-southeast-4"],
        outside: &["ap-southeast-6"],
    },
    Profile { prefix: "ca", regions: &["ca-central-1", "ca-west-1"], outside: &[] },
    Profile { prefix: "us-gov", regions: &["us-gov-east-1", "us-gov-west-1"], outside: &[] },
];

/// What the ids of models begin with: their makers, as Bedrock names them. Before one of these stands
/// a geography.
const MAKERS: [&str; 19] = [
    "ai21",
    "amazon",
    "anthropic",
    "cohere",
    "deepseek",
    "google",
    "luma",
    "meta",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "stability",
    "twelvelabs",
    "writer",
    "zai",
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
    let (prefix, rest) = id.split_once('.').unwrap_or_default();
    let Some(profile) = PROFILES.iter().find(|profile| profile.prefix == prefix) else {
        return match region {
            _ if is_geography(prefix, rest) => Processing::Anywhere,
            "" => Processing::Unknown,
            region => Processing::In([region.to_owned()].into()),
        };
    };
    let inside = profile.regions.contains(&region);
    let outside = if inside { &[][..] } else { profile.outside };
    // The region that is called may always answer by itself.
    let called = [region].into_iter().filter(|region| !region.is_empty());
    let regions = profile.regions.iter().chain(outside).copied().chain(called);
    Processing::In(regions.map(str::to_owned).collect())
}

/// Whether an id that begins so names a geography: `global`, or one that came after this was written.
fn is_geography(prefix: &str, rest: &str) -> bool {
    let maker = |word: &str| MAKERS.contains(&word);
    let next = rest.split('.').next().unwrap_or_default();
    prefix == "global" || !maker(prefix) && maker(next)
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
            // Made outside the Union, it may stay outside.
            ("eu.", "eu-west-2", vec!["CH", "DE", "ES", "FR", "GB", "IE", "IT", "SE"]),
            (
                "apac.",
                "ap-south-1",
                vec!["AE", "AU", "ID", "IN", "JP", "KR", "MY", "SG", "TH", "TW"],
            ),
            ("jp.", "ap-northeast-1", vec!["JP"]),
            ("au.", "ap-southeast-2", vec!["AU"]),
            ("au.", "ap-southeast-6", vec!["AU", "NZ"]),
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
        // Nobody said where calls are made: it may be where they go furthest.
        assert_eq!(countries("us.anthropic.claude-sonnet-5", ""), ["CA", "US"]);
        assert_eq!(countries("au.anthropic.claude-sonnet-5", ""), ["AU", "NZ"]);
        let union = ["CH", "DE", "ES", "FR", "GB", "IE", "IT", "SE"];
        assert_eq!(countries("eu.anthropic.claude-sonnet-5", ""), union);
    }

    #[test]
    fn what_is_not_known_is_said() {
        let cases = [
            ("global.anthropic.claude-sonnet-5", Processing::Anywhere),
            ("a-new-geography.amazon.nova-9", Processing::Anywhere),
            ("qwen.qwen3.5-coder", Processing::In(["eu-west-1".to_owned()].into())),
            ("a-new-maker.model-1.5", Processing::In(["eu-west-1".to_owned()].into())),
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
        for Profile { prefix, regions, outside } in PROFILES {
            let mut all = regions.iter().chain(outside);
            assert!(all.all(|region| country(region).is_some()), "{prefix}");
        }
    }
}
