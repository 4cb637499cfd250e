//! When two requests are the same: a hash over who asks, what is asked, and which policies are in force.

use isthmus_config::settings::cache::Scope;
use isthmus_inference::request::{Dialect, Operation, Request};
use isthmus_policies::question::Principal;
use sha2::{Digest, Sha256};

use super::canonical;

/// By which an answer is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub [u8; 32]);

/// Members of a request that do not change its answer.
struct LeftOut {
    dialect: Dialect,
    members: &'static [(&'static str, &'static str)],
}

/// Raised whenever what a key is made of changes.
const VERSION: u8 = 1;

/// The members that do not change the answer, with the reason. `model` is the pool's name, which is in
/// the key by itself, and so is whether the answer is streamed.
const LEFT_OUT: [LeftOut; 3] = [
    LeftOut {
        dialect: Dialect::OpenAi,
        members: &[
            ("model", "the pool is in the key"),
            ("stream", "in the key by itself"),
            ("stream_options", "usage is shown or hidden when the answer is given"),
            ("user", "names an end user to the provider, to find abuse"),
            ("safety_identifier", "the same"),
            ("metadata", "marks what the provider keeps; the answer does not repeat it"),
            ("prompt_cache_key", "where the provider keeps the prompt's beginning"),
            ("prompt_cache_retention", "for how long"),
        ],
    },
    LeftOut {
        // The answer repeats `user`, `metadata` and the like, so they stay.
        dialect: Dialect::Responses,
        members: &[
            ("model", "the pool is in the key"),
            ("stream", "in the key by itself"),
            ("stream_options", "padding of events against eavesdroppers"),
        ],
    },
    LeftOut {
        dialect: Dialect::Anthropic,
        members: &[
            ("model", "the pool is in the key"),
            ("stream", "in the key by itself"),
            ("metadata", "names an end user to the provider, to find abuse"),
        ],
    },
];

impl Key {
    /// The key of a request. `None` if its body has no canonical form: then it is like no other.
    pub fn of(
        request: &Request,
        principal: &Principal,
        scope: Scope,
        edition: &str,
    ) -> Option<Self> {
        let mut hash = Sha256::new();
        hash.update([VERSION, kind(request), u8::from(request.stream)]);
        part(&mut hash, &principal.organisation);
        if scope == Scope::App {
            hash.update([1]);
            part(&mut hash, &principal.team);
            part(&mut hash, &principal.app);
        }
        part(&mut hash, request.model.as_str());
        part(&mut hash, edition);
        part(&mut hash, request.query.as_deref().unwrap_or_default());
        for (name, value) in &request.forwarded {
            part(&mut hash, name);
            part(&mut hash, value);
        }
        hash.update(body(request)?);
        Some(Self(hash.finalize().into()))
    }

    /// The same in hexadecimal.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A text that cannot be confused with its neighbours.
fn part(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

/// What is asked, and in which language: an answer is given again in the language it was given in.
fn kind(request: &Request) -> u8 {
    let operation = match request.operation {
        Operation::Chat => 0,
        Operation::Completion => 1,
        Operation::Embedding => 2,
        Operation::CountTokens => 3,
    };
    let dialect = match request.dialect {
        Dialect::OpenAi => 0,
        Dialect::Responses => 1,
        Dialect::Anthropic => 2,
    };
    operation | dialect << 4
}

/// The members of the body in the order of their names, without those that do not matter.
fn body(request: &Request) -> Option<Vec<u8>> {
    let text = &request.body[..];
    let left_out = LEFT_OUT.iter().find(|left_out| left_out.dialect == request.dialect)?;
    let is_left_out = |key: &[u8]| left_out.members.iter().any(|(name, _)| name.as_bytes() == key);
    let mut members: Vec<_> = (request.outline.members.iter())
        .map(|member| (&text[member.key.clone()], &text[member.value.clone()]))
        .filter(|(key, _)| !is_left_out(key))
        .collect();
    members.sort_by_key(|(key, _)| *key);
    let mut written = Vec::with_capacity(text.len());
    for (key, value) in members {
        written.extend_from_slice(key);
        written.push(b'"');
        canonical::write(value, &mut written)?;
        written.push(b',');
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use isthmus_adapters::dialects::caller;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn asked(dialect: Dialect, body: &str) -> Request {
        let body = Bytes::copy_from_slice(body.as_bytes());
        caller(dialect).read(Operation::Chat, body).unwrap()
    }

    fn key_of(body: &str) -> Key {
        key_with(&asked(Dialect::OpenAi, body))
    }

    fn key_with(request: &Request) -> Key {
        Key::of(request, &Principal::anybody(), Scope::App, "1").unwrap()
    }

    #[test]
    fn what_does_not_change_the_answer_does_not_change_the_key() {
        let plain = r#"{"model":"m","messages":[{"role":"user","content":"x"}],"seed":1}"#;
        for same in [
            r#"{"seed":1,"messages":[{"role":"user","content":"x"}],"model":"m"}"#,
            r#"{ "model" : "m" , "messages" : [ {"content":"x", "role":"user"} ] , "seed" : 1 }"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"seed":1,"user":"u","metadata":{"a":"b"}}"#,
        ] {
            assert_eq!(key_of(plain), key_of(same), "{same}");
        }
        for other in [
            r#"{"model":"n","messages":[{"role":"user","content":"x"}],"seed":1}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"seed":2}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"seed":1.0}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"seed":1,"stream":true}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"seed":1,"a_field_of_tomorrow":null}"#,
        ] {
            assert_ne!(key_of(plain), key_of(other), "{other}");
        }
        let stream = r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}"#;
        let usage = r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"include_usage":true}}"#;
        assert_eq!(key_of(stream), key_of(usage));
    }

    #[test]
    fn each_app_has_keys_of_its_own_unless_the_organisation_shares() {
        let request =
            asked(Dialect::OpenAi, r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#);
        let who = |organisation: &str, team: &str, app: &str| Principal {
            organisation: organisation.to_owned(),
            team: team.to_owned(),
            app: app.to_owned(),
        };
        let key = |who: &Principal, scope| Key::of(&request, who, scope, "1").unwrap();
        let one = who("o", "t", "a");
        for other in
            [who("p", "t", "a"), who("o", "u", "a"), who("o", "t", "b"), who("o", "ta", "")]
        {
            assert_ne!(key(&one, Scope::App), key(&other, Scope::App));
            let shares = other.organisation == "o";
            let [one, other] = [&one, &other].map(|who| key(who, Scope::Organisation));
            assert_eq!(one == other, shares);
        }
        let later = Key::of(&request, &one, Scope::App, "2").unwrap();
        assert_ne!(key(&one, Scope::App), later, "other policies, other answers");
    }

    #[test]
    fn headers_and_dialects_tell_requests_apart() {
        let text = r#"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":1}"#;
        let one = asked(Dialect::Anthropic, text);
        let mut beta = one.clone();
        beta.forwarded.push(("anthropic-beta".into(), "x".into()));
        let mut query = one.clone();
        query.query = Some("beta=true".into());
        let keys =
            [one, beta, query, asked(Dialect::OpenAi, text)].map(|request| key_with(&request));
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[at + 1..].contains(key));
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~é\"\\\\]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-d]{1,2}", inner), 0..4)
                    .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    /// The same value with its members the other way round.
    fn turned(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let members = members.iter().rev().map(|(key, value)| (key.clone(), turned(value)));
                Value::Object(members.collect())
            }
            Value::Array(items) => items.iter().map(turned).collect(),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn order_and_space_never_matter(value in any_value()) {
            let body = json!({ "model": "m", "messages": [{"role":"user","content":"x"}], "x": value });
            let spaced = serde_json::to_string_pretty(&turned(&body)).unwrap();
            prop_assert_eq!(key_of(&body.to_string()), key_of(&spaced));
        }

        #[test]
        fn another_value_is_another_key(one in any_value(), other in any_value()) {
            let key = |value: &Value| {
                key_of(&json!({ "model": "m", "messages": [{"role":"user","content":"x"}], "x": value }).to_string())
            };
            prop_assert_eq!(key(&one) == key(&other), one == other);
        }
    }
}
