//! Credentials that say whose they are: each issuer's prefix and the shape of what follows.

use super::{Find, Kind, Word};
use crate::class::DataClass;

pub(super) const KIND: Kind = Kind {
    name: "credential",
    class: DataClass::Secret,
    about: "keys with a known head (AWS, GitHub, GitLab, Slack, Stripe, Google, OpenAI, Anthropic, Hugging Face, this gateway and others) and JSON web tokens",
    find: Find::Word(find),
};

/// A credential's head, and how many characters at least follow.
struct Head(&'static [u8], usize);

/// From the issuers' documents; sorted by issuer.
const HEADS: &[Head] = &[
    // Anthropic, OpenAI, OpenRouter and DeepSeek share theirs.
    Head(b"sk-", 20),
    // AWS's access keys: permanent, temporary, bearer and context-specific.
    Head(b"AKIA", 16),
    Head(b"ASIA", 16),
    Head(b"ABIA", 16),
    Head(b"ACCA", 16),
    Head(b"dop_v1_", 60),
    Head(b"dapi", 32),
    Head(b"ghp_", 36),
    Head(b"gho_", 36),
    Head(b"ghu_", 36),
    Head(b"ghs_", 36),
    Head(b"ghr_", 36),
    Head(b"github_pat_", 50),
    Head(b"glpat-", 20),
    Head(b"AIza", 35),
    Head(b"GOCSPX-", 28),
    Head(b"gsk_", 40),
    Head(b"hf_", 30),
    Head(b"isk-", 43),
    Head(b"lin_api_", 32),
    Head(b"npm_", 36),
    Head(b"nvapi-", 40),
    Head(b"pplx-", 40),
    Head(b"pypi-AgE", 50),
    Head(b"r8_", 36),
    Head(b"shpat_", 32),
    Head(b"xoxa-", 20),
    Head(b"xoxb-", 20),
    Head(b"xoxe-", 20),
    Head(b"xoxp-", 20),
    Head(b"xoxr-", 20),
    Head(b"xoxs-", 20),
    Head(b"xapp-", 20),
    Head(b"xai-", 40),
    Head(b"sk_live_", 16),
    Head(b"sk_test_", 16),
    Head(b"rk_live_", 16),
    Head(b"rk_test_", 16),
    Head(b"whsec_", 24),
    Head(b"AGE-SECRET-KEY-1", 40),
];

/// AWS's heads have capital letters and digits after them, and end there.
const AWS_TAIL: usize = 16;

fn find(word: Word<'_>) -> bool {
    let bytes = word.bytes();
    let starts = (0..bytes.len().min(super::windows::AHEAD))
        .filter(|at| *at == 0 || !bytes[at - 1].is_ascii_alphanumeric());
    starts.clone().any(|at| is_headed(&bytes[at..])) || is_web_token(word)
}

fn is_headed(bytes: &[u8]) -> bool {
    HEADS.iter().any(|Head(head, least)| {
        bytes.strip_prefix(*head).is_some_and(|rest| {
            let length = rest.iter().take_while(|byte| is_key(**byte)).count();
            let key = &rest[..length];
            let aws = head.len() == 4 && *least == AWS_TAIL;
            let fits = if aws { is_aws(key) } else { length >= *least };
            fits && !is_placeholder(key)
        })
    })
}

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_aws(key: &[u8]) -> bool {
    let upper = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    key.len() == AWS_TAIL && key.iter().all(upper) && !key.ends_with(b"EXAMPLE")
}

/// Documents say `sk-xxxxxxxx` and `sk-your-key-goes-here`: few different characters, or words.
fn is_placeholder(key: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in key {
        seen[usize::from(*byte)] = true;
    }
    let different = seen.iter().filter(|seen| **seen).count();
    let has_digit = key.iter().any(u8::is_ascii_digit);
    let has_upper = key.iter().any(u8::is_ascii_uppercase);
    different < 8 || !has_digit && !has_upper
}

/// Two parts that begin like JSON objects in base64url, with a dot between (RFC 7519).
fn is_web_token(word: Word<'_>) -> bool {
    word.bytes().starts_with(b"eyJ") && word.text[word.end..].starts_with(b".eyJ")
}
